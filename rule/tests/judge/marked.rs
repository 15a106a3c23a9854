//! Without any one of the sentences that took false alarms and misses to none, something is judged wrongly.

use message::flow::flow;
use message::logged::Message;
use rule::evidence::{Binding, Evidence, Read};
use rule::holds::AllHolds;

use super::case::case;
use super::cases::{known, names};
use super::flows::{self, Fixture, pushes};
use super::naive::{Sentence, Told, judge};
use super::world::{class, read, shipped_rules};

/// What is judged: a case, or a flow that was written for it.
struct Judged {
    name: String,
    messages: Vec<Message>,
    bindings: Vec<Binding>,
    holds: AllHolds,
    read: Read,
}

impl Judged {
    /// What the plain judge says without a sentence.
    fn told(&self, without: Option<Sentence>) -> Vec<Told> {
        let Self { messages, bindings, holds, read, .. } = self;
        let (rules, defaults) = shipped_rules();
        let flow = flow(messages);
        judge(
            rules,
            defaults,
            &Evidence { flow: &flow, messages, class: class(messages), bindings, holds, read },
            without,
        )
    }
}

fn all() -> Vec<Judged> {
    let cases = ["calls", "calls-one-log"].into_iter().flat_map(names).map(|name| {
        let messages = case(&name);
        let (bindings, holds) = known(&name, &messages);
        let read = read(&messages);
        Judged { name, messages, bindings, holds, read }
    });
    let written = [straight(), pushes::without_invite(), told_by_tags()].into_iter().map(|fixture| Judged {
        name: fixture.name.to_owned(),
        bindings: fixture.bindings(),
        holds: flows::holds().clone(),
        read: flows::read_all(&fixture.messages),
        messages: fixture.messages,
    });
    cases.chain(written).collect()
}

/// A gateway sends its ACK straight to the device, past the proxy that had asked to see it.
fn straight() -> Fixture {
    Fixture::new("an ACK past the proxy", |script| {
        let more = "call=call-a cseq=1 ftag=f";
        let sent = script.ask(0, "INVITE", &["agent", "core", "bob1"], more);
        script.answer(200, 180, &sent, "tag=b");
        script.answer(4_000, 200, &sent, "tag=b contact=<sip:bob@192.0.2.21:5060>");
        script.ask(4_020, "ACK", &["agent", "bob1"], &format!("{more} tag=b"));
    })
}

/// An edge that logs one hop alone: two devices ring, one answers.
fn told_by_tags() -> Fixture {
    Fixture::new("two devices that only their To-tags tell apart", |script| {
        let more = "call=call-a cseq=1 ftag=f";
        let sent = script.ask(0, "INVITE", &["alice", "edge"], more);
        script.answer(200, 180, &sent, "tag=x contact=<sip:bob@192.0.2.21:5060>");
        script.answer(300, 180, &sent, "tag=y contact=<sip:bob@192.0.2.22:5060>");
        script.answer(4_000, 200, &sent, "tag=y contact=<sip:bob@192.0.2.22:5060>");
        script.ask(4_020, "ACK", &["alice", "edge"], &format!("{more} tag=y"));
    })
}

#[test]
fn each_marked_sentence_is_needed() {
    let all = all();
    let whole: Vec<Vec<Told>> = all.iter().map(|judged| judged.told(None)).collect();
    let mut needed = String::new();
    for sentence in Sentence::ALL {
        let mut first = None;
        for (judged, whole) in all.iter().zip(&whole) {
            let less = judged.told(Some(sentence));
            let line = |told: Option<&Told>| match told {
                Some(told) => {
                    let class = told.class.as_deref().map(|class| format!(" {class}")).unwrap_or_default();
                    format!("{} {}{class}", told.rule, told.outcome.name())
                }
                None => "nothing".to_owned(),
            };
            let same = |one: &Told, other: &Told| {
                (&one.rule, one.leg, one.outcome, &one.class) == (&other.rule, other.leg, other.outcome, &other.class)
            };
            let differ = less.iter().find(|told| !whole.iter().any(|other| same(told, other)));
            let was = whole.iter().find(|told| !less.iter().any(|other| same(told, other)));
            if differ.is_some() || was.is_some() {
                first = Some(format!("{sentence:?}, {}: {}, not {}\n", judged.name, line(was), line(differ)));
                break;
            }
        }
        needed += &first.unwrap_or_else(|| panic!("nothing needs {sentence:?}"));
    }
    insta::assert_snapshot!(needed, @"
    BlindFromBlind, 10-push-410: loser-released ok, not loser-released late still-ringing
    StraightInDialog, an ACK past the proxy: answered-no-ack ok, not answered-no-ack failed no-ack
    WayOfRegister, wakes, and gets no INVITE: push-wakes-device failed invite-not-sent, not push-wakes-device unknown
    OwnOnlyWhatItMakes, 43-answer-lost: answer-reaches-caller failed answer-lost, not answer-reaches-caller unknown
    TagOnlyIsBlind, two devices that only their To-tags tell apart: loser-released unknown, not loser-released failed still-ringing
    RepetitionIsEvidence, unanswered-invite: call-completes failed no-response, not call-completes unknown
    WinnerOfEachCaller, 14-call-waiting: nothing, not second-answer-released late second-answer-kept
    ");
}
