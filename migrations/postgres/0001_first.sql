-- What agents send: streams with their watermarks, messages, and what lies between them.
-- Times are microseconds since 1970 in UTC; day is days since 1970 of the time clamped at arrival.
-- Each key of a table that moves with a stream contains stream_id.

-- heard: the collector's clock when the agent last spoke of itself; clock_offset: how far its own clock was ahead then.
-- heartbeat: what it said.
create table agent (
    id text collate "C" not null,
    heard bigint,
    clock_offset bigint,
    heartbeat bytea,
    primary key (id)
);

-- Of which sources an agent ever sent anything. learned: what was learned of the log from many calls: who writes it, and what never stands in it. holds: which messages it shows of those that it could.
create table source (
    agent text collate "C" not null,
    name text collate "C" not null,
    host text not null,
    learned bytea,
    holds bytea,
    primary key (agent, name)
);

-- How far the clocks of logs were apart for the calls that began in one hour (hours since 1970, for retention). shifts: what is added
-- to the times of each log; measured: what that rests on.
create table clock (
    hour bigint not null,
    shifts bytea not null,
    measured bytea not null,
    primary key (hour)
);

-- Written once; host, source, path, format and zone again when the agent says something else. device, inode and generation are unsigned numbers kept in the bits of signed ones.
create table stream (
    stream_id bigint not null,
    agent text collate "C" not null,
    host text not null,
    source text collate "C" not null,
    path bytea not null,
    format bytea not null,
    zone text not null,
    device bigint not null,
    inode bigint not null,
    generation bigint not null,
    birth bigint not null,
    epoch bigint not null,
    predecessor bigint,
    created bigint not null,
    primary key (stream_id)
);
create index stream_agent on stream (agent, stream_id);

-- All that moves with the watermark. end_*: what its agent counted of a closed file, to be compared with what is stored.
-- agent: whose stream it is; nobody else moves the watermark. settled: its agent is done with it, and does not ask for its position any more.
create table stream_offset (
    stream_id bigint not null,
    agent text not null,
    off bigint not null,
    lease bigint not null,
    guard bytea,
    size bigint not null,
    read_to bigint not null,
    read_at bigint not null,
    last_event bigint,
    tail_near_misses bytea,
    records bigint not null,
    record_bytes bigint not null,
    noise bigint not null,
    noise_bytes bigint not null,
    noise_lines bigint not null,
    fragments bigint not null,
    fragment_bytes bigint not null,
    gaps bigint not null,
    gap_bytes bigint not null,
    tail bigint not null,
    end_size bigint,
    end_crc bigint,
    end_counters bytea,
    settled smallint not null default 0,
    primary key (stream_id)
) with (fillfactor = 50);

-- Addresses as logged; the id is a hash of the text. seen: the day on which one was met last, for retention.
create table endpoint (
    id bigint not null,
    seen integer not null,
    address text not null,
    primary key (id)
);

create table dictionary (
    id smallint not null,
    bytes bytea not null,
    primary key (id)
);

-- raw is the whole span as sent: header line, message, line end. masked is empty, or masks and HMAC. No column is null,
-- which spares a bitmap a row: status 0 says that there is none. class is
-- what the message alone says of how its call is filed.
create table message (
    ts bigint not null,
    stream_id bigint not null,
    off bigint not null,
    len bigint not null,
    src bigint not null,
    dst bigint not null,
    day integer not null,
    head integer not null,
    line_end smallint not null,
    kind smallint not null,
    class smallint not null,
    status smallint not null,
    flags smallint not null,
    dictionary smallint not null,
    call bytea not null,
    method text collate "C" not null,
    masked bytea not null,
    raw bytea not null
) partition by range (day);
create index message_call on message (call);
create index message_position on message (stream_id, off);
create index message_ts on message using brin (ts) with (pages_per_range = 32, autosummarize = on);
alter table message alter column raw set storage external;

create table fragment (
    stream_id bigint not null,
    off bigint not null,
    len bigint not null,
    received bigint not null,
    of_stream bigint,
    of_off bigint,
    flags smallint not null,
    dictionary smallint not null,
    raw bytea not null,
    primary key (stream_id, off)
);
create index fragment_received on fragment (received);

-- Numbers that call or are called, in their normal form from the last digit to the first: they are found by their end here, and
-- their calls by the whole number. seen: the day on which one was met last, for retention.
create table number (
    seen integer not null,
    back text collate "C" not null,
    primary key (back)
);

-- A call as one stream saw it on one day: where it lies, and whose it is: users in their normal form. All else is said of its
-- scenario.
create table call_part (
    first bigint not null,
    stream_id bigint not null,
    day integer not null,
    call bytea not null,
    from_user text collate "C",
    to_user text collate "C",
    identity text collate "C",
    primary key (call, day, stream_id)
) partition by range (day);
create index call_part_from on call_part (from_user, first);
create index call_part_to on call_part (to_user, first);
create index call_part_identity on call_part (identity, first) where identity is not null;
create index call_part_first on call_part (first);

-- Bytes nobody could read. lost is null where the number is not known; hash where it was rejected.
create table gap (
    stream_id bigint not null,
    off bigint not null,
    cause smallint not null,
    len bigint not null,
    lost bigint,
    noticed bigint not null,
    hash bytea,
    primary key (stream_id, off, cause)
);
create index gap_noticed on gap (noticed);
create index gap_cause on gap (cause);

-- Lines before the watermark that are nearly header lines, by reason, with the first of them.
create table near_miss (
    stream_id bigint not null,
    reason smallint not null,
    lines bigint not null,
    off bigint not null,
    example bytea not null,
    primary key (stream_id, reason)
);

-- What was read beyond the watermark of a stream: records that cannot be final yet. Replaced by each stored append.
create table provisional (
    ts bigint not null,
    stream_id bigint not null,
    off bigint not null,
    len bigint not null,
    src bigint not null,
    dst bigint not null,
    day integer not null,
    head integer not null,
    line_end smallint not null,
    kind smallint not null,
    class smallint not null,
    status smallint not null,
    flags smallint not null,
    dictionary smallint not null,
    call bytea not null,
    method text collate "C" not null,
    masked bytea not null,
    raw bytea not null,
    primary key (stream_id, off)
);
create index provisional_call on provisional (call);
create index provisional_ts on provisional (ts);
-- Holds all that the list of streams asks.
create index provisional_stream on provisional (stream_id, ts, flags);

-- Call events of one batch of one stream, until correlation has applied them.
create table outbox (
    stream_id bigint not null,
    end_off bigint not null,
    made bigint not null,
    events bytea not null,
    primary key (stream_id, end_off)
);
create index outbox_made on outbox (made);

-- Rows of the outbox that nobody can read, with messages that nobody can read either: kept for whoever finds out why.
create table outbox_aside (
    stream_id bigint not null,
    end_off bigint not null,
    made bigint not null,
    events bytea not null,
    primary key (stream_id, end_off)
);
alter table outbox alter column events set storage external;

-- scenarios: that began with rows of this stream, less those that went into others; the sum is how many there are.
create table correlation_offset (
    stream_id bigint not null,
    off bigint not null,
    scenarios bigint not null default 0,
    lease_owner text,
    lease_until bigint not null,
    primary key (stream_id)
);

-- What correlation makes of calls: scenarios, the keys that join them, and the calls they own.

create sequence scenario_number;

-- caller_key, callee_key: in their normal form, for searches. class, status and what the list shows are written by the correlator; due and lease are for whoever settles it; outcome, failure and rule are the worst that a rule says of it, judged: how many instances of rules came to
-- what. told: 1 where the list shows what was worked out of a call, not what its summary says. kept_from: what came before has been deleted, and the rest is no longer reckoned. judged_from: of what is filed by day, the logged time before which all is judged for good. said: kinds, methods and statuses of its messages, as bits.
create table scenario (
    id bigint not null,
    first bigint not null,
    last bigint not null,
    due bigint,
    kept_from bigint,
    version bigint not null,
    merged_into bigint,
    lease_until bigint not null default 0,
    rest_until bigint not null default 0,
    settled bigint,
    judged_from bigint,
    begun bigint,
    talked bigint,
    problems bigint,
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
    class smallint not null,
    told smallint not null default 0,
    status smallint,
    outcome smallint,
    lease_owner text,
    caller text collate "C",
    callee text collate "C",
    caller_key text collate "C",
    callee_key text collate "C",
    answered_by text collate "C",
    transferred_to text collate "C",
    failure text collate "C",
    rule text collate "C",
    judged bytea,
    summary bytea not null,
    primary key (id)
) with (fillfactor = 70);
-- The list, class by class; and what few have, for a list that is short.
create index scenario_class on scenario (class, first, id) where merged_into is null;
-- Calls that are to be settled.
create index scenario_due on scenario (due) where due is not null;
create index scenario_caller on scenario (caller_key, first) where merged_into is null;
create index scenario_callee on scenario (callee_key, first) where merged_into is null;
create index scenario_status on scenario (status, first) where merged_into is null and status >= 300;
-- What failed: `outcome` as rules say.
create index scenario_outcome on scenario (outcome, first) where merged_into is null and outcome is not null and outcome <> 5;
create index scenario_merged on scenario (merged_into) where merged_into is not null;
alter table scenario alter column summary set storage external;

-- What the caller of a scenario got in attempts before the last one; first: that of the scenario.
create table scenario_try (
    scenario_id bigint not null,
    first bigint not null,
    status smallint not null,
    primary key (scenario_id, status)
);
create index scenario_try_status on scenario_try (status, first);

-- What requests of REST and push are known by to their answers, and answers whose request is not known yet: hash of the id
-- that both carry and of both hosts; response: 1 of answers; call_id: the name of its call; kind: REST or push, of an answer that
-- of its request; ts: logged time; other: when it was answered first, and in which log; of an answer, when it was asked for.
-- response 2 is the one row that is locked by whoever stores some, and 3 a correlator (call_id) that waits for its turn until
-- last. last is for retention.
create table exchange (
    last bigint not null,
    ts bigint not null,
    other bigint,
    other_stream bigint,
    response smallint not null,
    kind smallint not null,
    hash bytea not null,
    call_id text collate "C" not null,
    primary key (hash, response, call_id)
);
create index exchange_last on exchange (last);

-- What was asked lately between two hosts, for answers that carry no id: hash of who asks and who is asked; requests: those that are
-- open, and those just answered. last is for retention.
create table asked (
    last bigint not null,
    hash bytea not null,
    requests bytea not null,
    primary key (hash)
);
create index asked_last on asked (last);

-- Whose registrations calls borrow that sent a push, and within which times: what comes later of these makes them due again. person:
-- in normal form. last is for retention, too.
create table wanted (
    first bigint not null,
    last bigint not null,
    scenario_id bigint not null,
    person text collate "C" not null,
    primary key (person, first, scenario_id)
);
create index wanted_last on wanted (last);

-- Calls that name another one by the cid of Referred-By, which is not known: hash of its key; call, stream_id, off: whose first
-- message that says so. last is for retention.
create table referred (
    last bigint not null,
    stream_id bigint not null,
    off bigint not null,
    hash bytea not null,
    call bytea not null,
    primary key (hash, call)
);
create index referred_last on referred (last);
create index referred_call on referred (call);

-- members: of each call that joined by this key the first 8 bytes of its own key; own: the call whose own key it is came, too.
-- The scenario may have been merged into another one since. last is for retention.
create table scenario_key (
    scenario_id bigint not null,
    last bigint not null,
    own smallint not null,
    hash bytea not null,
    members bytea not null,
    primary key (hash)
) with (fillfactor = 90);
create index scenario_key_last on scenario_key (last);

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
    call bytea not null,
    call_id text collate "C" not null,
    joined_space text,
    joined_value text,
    primary key (scenario_id, stream_id, day, call)
);
create index scenario_call_call on scenario_call (call);

-- What rules say of scenarios.

-- Rules and routes as collectors loaded them, and what is wrong with the files; the newest is in force.
create table rulebook (
    loaded bigint not null,
    hash bytea not null,
    content bytea not null,
    primary key (hash)
);

-- Instances of rules that did not go well, and those of which nobody can tell. due: the event time at which they failed; told: what was
-- seen and what was not.
create table verdict (
    scenario_id bigint not null,
    due bigint not null,
    nth integer not null,
    outcome smallint not null,
    severity smallint not null,
    rule text collate "C" not null,
    failure text collate "C" not null,
    told bytea not null,
    primary key (scenario_id, rule, nth)
);
create index verdict_due on verdict (due, outcome, failure);

-- How many instances of a rule came to what, by the minute of event time in which they began.
create table rule_count (
    minute bigint not null,
    count bigint not null,
    outcome smallint not null,
    rule text collate "C" not null,
    primary key (rule, minute, outcome)
);
create index rule_count_minute on rule_count (minute);

-- Scenarios of one failure that are reported together. due: when it is looked at again; state: what was reported last; mails: how many;
-- held: since when no mail is left for it. Of one key one group is open.
create table alert_group (
    id bigint not null generated always as identity,
    opened bigint not null,
    changed bigint not null,
    closed bigint,
    due bigint,
    held bigint,
    lease_until bigint not null default 0,
    items bigint not null,
    mails bigint not null,
    reported bigint,
    severity smallint not null,
    route integer not null,
    hash bytea not null,
    env text collate "C" not null,
    rule text collate "C" not null,
    failure text collate "C" not null,
    state bytea,
    primary key (id)
);
create unique index alert_group_open on alert_group (hash) where closed is null;
create index alert_group_hash on alert_group (hash, id);
create index alert_group_due on alert_group (due) where due is not null;
create index alert_group_changed on alert_group (changed);
create index alert_group_held on alert_group (route, held) where held is not null;

-- at: the event time of the failure; seen: when it was judged; reported: when it was mailed; host: whose log shows how it
-- began; places: where the ladder showed it before its leg had another name, as mails say it, one a line.
create table alert_item (
    group_id bigint not null,
    scenario_id bigint not null,
    at bigint not null,
    seen bigint not null,
    changed bigint not null,
    reported bigint,
    nth integer not null,
    state smallint not null,
    leg text collate "C" not null,
    host text collate "C" not null,
    told bytea not null,
    places text,
    primary key (group_id, scenario_id, leg, nth)
);
create index alert_item_scenario on alert_item (scenario_id);
create index alert_item_at on alert_item (group_id, at);
-- How many of a group are not reported, and on which hosts: no item is read for that.
create index alert_item_host on alert_item (group_id, host, reported, state);
-- What is wrong with logs: they are no scenario.
create index alert_item_log on alert_item (seen) where scenario_id = 0 and state = 0;

-- Mails, as they are sent: message_id, recipients and mime never change. not_before, attempts and lease are the sender's, and so
-- is left_to: who is still to get it, where that is not everybody. refused: who never will, and why, one a line.
create table mail_outbox (
    id bigint not null generated always as identity,
    group_id bigint,
    created bigint not null,
    not_before bigint not null,
    expires bigint not null,
    sent bigint,
    lease_until bigint not null default 0,
    attempts integer not null,
    kind smallint not null,
    state smallint not null,
    priority smallint not null,
    last_code integer,
    lease_owner text,
    team text collate "C" not null,
    recipients text not null,
    left_to text,
    refused text,
    message_id text collate "C" not null,
    subject text not null,
    last_text text,
    plain bytea not null,
    mime bytea not null,
    primary key (id)
);
create unique index mail_outbox_message on mail_outbox (message_id);
create index mail_outbox_due on mail_outbox (state, not_before);
create index mail_outbox_group on mail_outbox (group_id);
create index mail_outbox_created on mail_outbox (created);

-- Mails that tell of many groups at once, and these groups; other mails name their group themselves.
create table mail_group (
    group_id bigint not null,
    mail_id bigint not null,
    primary key (group_id, mail_id)
);

-- Each try to send one.
create table mail_attempt (
    mail_id bigint not null,
    at bigint not null,
    code integer,
    said text not null,
    refused text,
    primary key (mail_id, at)
);

-- Accounts that must wait, since when and why, and a short hash of their settings: what changes may go at once.
create table mail_hold (
    until bigint not null,
    wait bigint not null,
    since bigint not null,
    settings integer not null,
    account text collate "C" not null,
    why text not null,
    primary key (account)
);

-- Whose turn it is to send by an account, and until when. The row without an account has whoever makes mails wait for another who
-- does, so that nobody makes more than there may be.
create table mail_turn (
    until bigint not null,
    owner text collate "C" not null,
    account text collate "C" not null,
    primary key (account)
);
