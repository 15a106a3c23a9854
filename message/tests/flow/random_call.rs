//! Calls to a person with several devices, made at random: who is on the way, what each device does, who takes whose place, what is
//! not logged.

#[path = "random_call/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::sample::Index;

use self::world::World;

/// What happens in a call. Times are milliseconds.
#[derive(Clone, Debug)]
pub struct Plan {
    pub chain: Chain,
    pub devices: Vec<Device>,
    /// The first proxy asks who calls.
    pub challenged: bool,
    /// When the caller gives up.
    pub cancels: Option<i64>,
    /// When the last proxy gives up, and what it says then.
    pub patience: (i64, u16),
    /// A CANCEL says that the call was answered elsewhere.
    pub reason: bool,
    /// Of two that answered, the caller keeps the second.
    pub keeps_second: bool,
    /// Servers do not log what they answer themselves, as a script of Kamailio does not.
    pub silent: bool,
    /// A proxy loses answers, and says 500.
    pub loses_answers: bool,
    pub acked: bool,
    /// Who hangs up, and after how long.
    pub hangs_up: Option<(Side, i64)>,
    pub bye_answered: bool,
    /// What a look-up before the call gets; 0 is no answer.
    pub look_up: Option<u16>,
    /// Contacts do not hold the tokens of their pushes.
    pub hidden_tokens: bool,
    /// A push that tells of a missed call.
    pub missed: bool,
    pub again: Option<Again>,
    pub transfer: Option<Transfer>,
    /// Records that are not in the logs.
    pub lost: Vec<Index>,
}

/// A caller who was refused, or who has talked, calls again under the same Call-ID.
#[derive(Clone, Debug)]
pub struct Again {
    pub after: i64,
    /// Under another From-tag, whose numbers begin anew.
    pub renamed: bool,
    /// What the devices do then.
    pub devices: Vec<Device>,
}

/// Who talks hands the other over to carol; or carol takes a call over that rings.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub after: i64,
    pub is_pickup: bool,
    pub by: Side,
    /// After a call to carol, whose place the new call takes.
    pub with_a_word: bool,
    pub goes: Goes,
    /// Before that dave was asked for, in vain.
    pub dave: Option<Dave>,
    /// Each NOTIFY names its REFER; else only that of a later one does, as has to be (RFC 3515, 2.4.6).
    pub all_named: bool,
    /// The new call says by whom it was asked for.
    pub cited: bool,
    /// Whoever declined to call carol does so a little later.
    pub anyway: bool,
    pub talks: i64,
    /// Who ends what came of it.
    pub ends: Side,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goes {
    Answered,
    /// Carol is busy.
    Refused,
    /// Who is asked to call her does not.
    Declined,
}

/// What becomes of a REFER to dave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dave {
    Declined,
    /// Nothing says what becomes of it.
    Untold,
    Fails,
    /// Once it is known what became of the next.
    FailsLate,
}

/// Who stands between the caller and the devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chain {
    Core,
    EdgeCore,
    /// A back-to-back agent, and a proxy that forks.
    AgentCore,
    /// A back-to-back agent that calls every device by itself.
    Agent,
    /// One that answers before it calls anybody, as a queue does.
    Queue,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Caller,
    Callee,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub push: Option<Push>,
    pub says: Says,
    pub stops: Stops,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Push {
    Wakes(i64),
    NeverWakes,
    Refused,
    Unanswered,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Nothing,
    Trying,
    Refuses(i64, u16),
    Rings { at: i64, media: bool, then: Option<(i64, u16)> },
}

/// What a device does when it is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stops {
    Yes,
    RingsOn,
    Without487,
    Deaf,
    With408,
    Answers,
}

pub fn plan() -> impl Strategy<Value = Plan> {
    let chain = prop_oneof![
        3 => Just(Chain::Core),
        3 => Just(Chain::EdgeCore),
        2 => Just(Chain::AgentCore),
        2 => Just(Chain::Agent),
        1 => Just(Chain::Queue),
    ];
    let rarely = || prop::bool::weighted(0.15);
    let hangs_up = prop::option::weighted(
        0.8,
        (prop_oneof![Just(Side::Caller), Just(Side::Callee)], prop_oneof![1_000..4_000_i64, 8_000..60_000_i64]),
    );
    let look_up = prop::option::weighted(0.2, prop_oneof![Just(0), Just(200), Just(403)]);
    let way = (chain, prop::collection::vec(device(), 1..=4), rarely(), prop::option::weighted(0.25, 500..30_000_i64));
    let core =
        ((15_000..25_000_i64, prop_oneof![Just(480), Just(408)]), any::<bool>(), rarely(), any::<bool>(), rarely());
    let end = (
        prop::bool::weighted(0.85),
        hangs_up,
        prop::bool::weighted(0.85),
        look_up,
        rarely(),
        prop::bool::weighted(0.3),
    );
    let lost = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(any::<Index>(), 1..3)];
    (way, core, end, lost).prop_map(|(way, core, end, lost)| {
        let (chain, devices, challenged, cancels) = way;
        let (patience, reason, loses_answers, keeps_second, silent) = core;
        let (acked, hangs_up, bye_answered, look_up, missed, hidden_tokens) = end;
        Plan {
            chain,
            devices,
            challenged,
            cancels,
            patience,
            reason,
            keeps_second,
            silent,
            loses_answers,
            acked,
            hangs_up,
            bye_answered,
            look_up,
            hidden_tokens,
            missed,
            again: None,
            transfer: None,
            lost,
        }
    })
}

/// With further attempts, transfers and pickups, whoever stands between. Of servers that do not log what they say beside
/// these the plain model knows nothing, and of an agent's call whose place somebody takes while several devices ring.
pub fn any_plan() -> impl Strategy<Value = Plan> {
    let again = (3_000..9_000_i64, prop::bool::weighted(0.3), prop::collection::vec(device(), 1..=3));
    let again = again.prop_map(|(after, renamed, devices)| Again { after, renamed, devices });
    let more = (prop::option::weighted(0.3, again), prop::option::weighted(0.3, transfer()));
    (plan(), more).prop_map(|(mut plan, (again, transfer))| {
        plan.again = again.filter(|_| !plan.silent && !plan.missed);
        let by_agent = !matches!(plan.chain, Chain::Core | Chain::EdgeCore);
        plan.transfer =
            transfer.filter(|transfer| !plan.silent && plan.again.is_none() && !(by_agent && transfer.is_pickup));
        plan
    })
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let side = || prop_oneof![Just(Side::Caller), Just(Side::Callee)];
    let goes = prop_oneof![3 => Just(Goes::Answered), 1 => Just(Goes::Refused), 1 => Just(Goes::Declined)];
    let dave = prop::sample::select(vec![Dave::Declined, Dave::Untold, Dave::Fails, Dave::FailsLate]);
    let times = (1_000..9_000_i64, 8_000..60_000_i64);
    let asked = (goes, prop::option::weighted(0.3, dave), any::<bool>(), any::<bool>(), any::<bool>());
    (times, prop::bool::weighted(0.25), side(), any::<bool>(), asked, side()).prop_map(
        |((after, talks), is_pickup, by, with_a_word, (goes, dave, all_named, cited, anyway), ends)| Transfer {
            after,
            is_pickup,
            by,
            with_a_word,
            goes,
            dave,
            all_named,
            cited,
            anyway,
            talks,
            ends,
        },
    )
}

fn device() -> impl Strategy<Value = Device> {
    let push = prop_oneof![
        3 => (2_000..9_000_i64).prop_map(Push::Wakes),
        1 => Just(Push::NeverWakes),
        1 => Just(Push::Refused),
        1 => Just(Push::Unanswered),
    ];
    let refuses = || prop::sample::select(vec![486, 603, 480, 302, 408, 503, 404]);
    let then = prop_oneof![
        2 => Just(None),
        3 => (1_000..12_000_i64).prop_map(|after| Some((after, 200))),
        2 => Just(Some((3_000, 200))),
        2 => (1_000..12_000_i64, refuses()).prop_map(Some),
    ];
    let rings = (20..900_i64, any::<bool>(), then).prop_map(|(at, media, then)| Says::Rings { at, media, then });
    let says = prop_oneof![
        1 => Just(Says::Nothing),
        1 => Just(Says::Trying),
        1 => (20..900_i64, refuses()).prop_map(|(at, status)| Says::Refuses(at, status)),
        6 => rings,
    ];
    let stops = prop_oneof![
        6 => Just(Stops::Yes),
        1 => Just(Stops::RingsOn),
        1 => Just(Stops::Without487),
        1 => Just(Stops::Deaf),
        1 => Just(Stops::With408),
        1 => Just(Stops::Answers),
    ];
    (prop::option::weighted(0.35, push), says, stops).prop_map(|(push, says, stops)| Device { push, says, stops })
}

/// The records of a call, as lines of a story.
pub fn lines(plan: &Plan) -> String {
    let mut world = World::of(plan);
    world.run();
    let by_agent = world.by_agent();
    world.lines.sort_by_key(|(at, _)| *at);
    let mut lines: Vec<String> = world.lines.into_iter().map(|(_, line)| line).collect();
    for lost in &plan.lost {
        let at = lost.index(lines.len());
        // Nothing but the first INVITE of an agent's call says whose it is; and of a caller, where servers are silent.
        if !((by_agent || plan.silent) && lines[at].contains(" INVITE sip:")) {
            lines.remove(at);
        }
    }
    lines.join("\n")
}
