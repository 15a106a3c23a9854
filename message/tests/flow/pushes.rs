//! Pushes: whose they are, and what can be told of the phone.

use message::borrowed::Wanted;
use message::flow::{Flow, Outcome, PushState, flow};

use super::story::story;

/// Of each leg that was pushed to: tag, outcome, and push state without its times.
fn pushed(flow: &Flow) -> Vec<(&str, Outcome, &'static str)> {
    let legs = flow.legs.iter().filter(|leg| leg.pushed.is_some());
    legs.map(|leg| {
        let push = match leg.push {
            PushState::Accepted(..) => "accepted",
            PushState::Woke(..) => "woke",
            PushState::NeverWoke(_) => "never woke",
            PushState::CannotTell(_) => "cannot tell",
            _ => "other",
        };
        (leg.tag.as_str(), leg.outcome, push)
    })
    .collect()
}

/// Bob is up with alice and calls carol, whose phone sleeps.
#[test]
fn the_phone_that_a_second_caller_wakes_has_a_leg_of_that_caller() {
    let lines = |invite: &str| {
        format!(
            "0 core alice>core INVITE sip:bob@example.com via=a1
             1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
             900 core bob1>core 200 INVITE via=c1,a1 tag=b1
             901 core core>alice 200 INVITE via=a1 tag=b1
             10000 core bob1>core INVITE sip:carol@example.com via=d1 call=call-c from=bob to=carol ftag=d
             10005 core core>fcm PUSH body={{\"callId\":\"call-c\",\"token\":\"tok-carol\",\"status\":200}}
             {invite}
             30000 core core>bob1 480 INVITE via=d1 call=call-c from=bob to=carol ftag=d tag=x"
        )
    };
    let told = |invite: &str| {
        let flow = flow(&story(&lines(invite)));
        pushed(&flow).into_iter().map(|(tag, outcome, push)| (tag.to_owned(), outcome, push)).collect::<Vec<_>>()
    };
    assert_eq!(told(""), [("C1".to_owned(), Outcome::NotInvited, "never woke")]);
    let invite = "10006 core core>carol INVITE sip:carol@192.0.2.30:5060;pn-prid=tok-carol via=e1,d1 call=call-c from=bob to=carol ftag=d";
    let [(tag, _, push)] = &told(invite)[..] else { panic!("{:?}", told(invite)) };
    assert_eq!((tag.as_str(), *push), ("C1", "never woke"));
}

/// It slept through the first call and woke for the second.
#[test]
fn a_phone_that_two_callers_wake_has_a_leg_of_each() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         5 core core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}
         20000 core core>alice 480 INVITE via=a1 tag=x
         30000 core carol>core INVITE sip:bob@example.com via=d1 call=call-c from=carol ftag=d
         30005 core core>fcm PUSH body={\"callId\":\"call-c\",\"token\":\"tok-bob-1\",\"status\":200}
         33000 core bob1>core REGISTER sip:example.com via=r1 call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060;pn-prid=tok-bob-1>
         50000 core core>carol 480 INVITE via=d1 call=call-c from=carol ftag=d tag=y",
    ));
    let expect = [("B1", Outcome::NotInvited, "never woke"), ("C1", Outcome::NotInvited, "woke")];
    assert_eq!(pushed(&flow), expect);
}

fn after_push(rest: &str) -> String {
    format!(
        "5000 core alice>core INVITE sip:bob@example.com via=a1
         5005 core core>fcm PUSH body={{\"callId\":\"call-a\",\"token\":\"tok-bob-1\",\"status\":200}}
         {rest}
         25000 core core>alice 480 INVITE via=a1 tag=p"
    )
}

fn registers(at: i64, more: &str) -> String {
    let what = "sip:example.com via=r1 call=reg-1 from=bob to=bob ftag=r contact=<sip:bob@192.0.2.21:5060";
    format!(
        "{at} core bob1>core REGISTER {what}{more}
         {at}.5 core core>bob1 200 REGISTER via=r1 call=reg-1 from=bob to=bob ftag=r tag=x"
    )
}

/// The phone wakes and the proxy does not invite it; the phone says neither its token nor its instance.
#[test]
fn of_a_contact_that_registers_without_a_name_nobody_can_tell_whether_it_is_the_one_pushed_to() {
    let told = |rest: &str| {
        let flow = flow(&story(&after_push(rest)));
        (pushed(&flow).first().map(|(tag, _, push)| ((*tag).to_owned(), *push)).unwrap(), flow)
    };
    let is = |push: &'static str| ("B1".to_owned(), push);
    let (push, flow) = told(&registers(8000, ">"));
    assert_eq!(push, is("cannot tell"));
    assert_eq!(flow.legs.len(), 2);
    assert_eq!(flow.rows.iter().filter(|row| row.leg == 1).count(), 4, "its registration stands on its leg");
    assert_eq!(told(&registers(8000, ">;+sip.instance=\"<urn:uuid:1>\"")).0, is("cannot tell"));
    assert_eq!(told(&registers(8000, ";pn-prid=tok-other>")).0, is("never woke"));
    assert_eq!(told(&registers(8000, ">").replace("to=bob", "to=carol")).0, is("never woke"));
    let refresh = registers(8000, ">").replace("via=r1", "via=r2");
    assert_eq!(told(&format!("{}\n{refresh}", registers(100, ">"))).0, is("never woke"), "it was bound before");
}

#[test]
fn a_call_borrows_the_registration_of_a_contact_that_may_be_the_one_pushed_to() {
    let borrowed = |rest: &str| {
        let all = story(&after_push(rest));
        let (own, registrations): (Vec<_>, Vec<_>) = all.into_iter().partition(|message| !message.is_registration());
        Wanted::of(&own).unwrap().taken(registrations).len()
    };
    assert_eq!(borrowed(&registers(8000, ">")), 2);
    assert_eq!(borrowed(&registers(8000, ";pn-prid=tok-other>")), 0);
    assert_eq!(borrowed(&registers(100, ">")), 0);
    let refresh = registers(8000, ">").replace("via=r1", "via=r2");
    assert_eq!(borrowed(&format!("{}\n{refresh}", registers(100, ">"))), 0);
}
