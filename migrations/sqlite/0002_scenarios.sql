-- What correlation makes of calls: scenarios, the keys that join them, and the calls they own.

-- class to strip are written by the correlator, outcome to problem by the judge. said: kinds, methods and statuses of its messages, as bits.
create table scenario (
    id integer not null primary key autoincrement,
    first bigint not null,
    last bigint not null,
    due bigint,
    version bigint not null,
    merged_into bigint,
    lease_until bigint not null default 0,
    rang bigint,
    answered bigint,
    ending bigint,
    ended bigint,
    calls bigint not null,
    legs bigint not null,
    messages bigint not null,
    nodes bigint not null,
    devices bigint not null,
    sip bigint not null,
    rest bigint not null,
    push bigint not null,
    media bigint not null,
    said bigint not null,
    state smallint not null default 0,
    class smallint not null,
    status smallint,
    outcome smallint,
    lease_owner text,
    caller text,
    callee text,
    answered_by text,
    env text,
    failure text,
    rule text,
    problem text,
    strip blob,
    summary blob not null
);
-- The list, class by class; and what few have, for a list that is short.
create index scenario_class on scenario (class, first, id) where merged_into is null;
create index scenario_caller on scenario (caller, first) where merged_into is null;
create index scenario_callee on scenario (callee, first) where merged_into is null;
create index scenario_status on scenario (status, first) where merged_into is null and status >= 300;
create index scenario_merged on scenario (merged_into) where merged_into is not null;

-- members: of each call that joined by this key the first 8 bytes of its own key; own: the call whose own key it is came, too.
-- The scenario may have been merged into another one since. last is for retention.
create table scenario_key (
    scenario_id bigint not null,
    last bigint not null,
    own smallint not null,
    hash blob not null,
    members blob not null,
    primary key (hash)
) without rowid;

-- joined_*: the key by which a call came to its scenario, whether it is sure or only likely, and the message that carried it.
create table scenario_call (
    scenario_id bigint not null,
    stream_id bigint not null,
    first bigint not null,
    joined_stream bigint,
    joined_off bigint,
    day integer not null,
    class smallint not null,
    joined_sure smallint,
    call blob not null,
    call_id text not null,
    joined_space text,
    joined_value text,
    primary key (scenario_id, stream_id, day, call)
) without rowid;
create index scenario_call_call on scenario_call (call);
