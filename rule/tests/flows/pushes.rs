//! Phones that sleep: pushed, woken or not, and called.

use super::Fixture;
use super::script::Script;

const CALL: &str = "call=call-a cseq=1 ftag=f";
const REGISTER: &str =
    "call=reg cseq=1 ftag=r from=bob to=bob contact=<sip:bob@192.0.2.21:5060;pn-provider=fcm;pn-prid=token-1>";

/// What happens to a phone that is pushed. Times are milliseconds after the push.
#[derive(Clone, Copy)]
struct Phone {
    /// What the gateway says; 0 is no answer.
    status: u16,
    registered_just_before: bool,
    registers: Option<i64>,
    register_answered: bool,
    invited: bool,
    rings: bool,
    answers: Option<i64>,
    /// Another phone, that is awake, answers.
    elsewhere: Option<i64>,
    /// The caller gives up.
    gives_up: Option<i64>,
}

const WAKES: Phone = Phone {
    status: 200,
    registered_just_before: false,
    registers: Some(3_000),
    register_answered: true,
    invited: true,
    rings: true,
    answers: Some(8_000),
    elsewhere: None,
    gives_up: None,
};

fn call(script: &mut Script, phone: Phone) {
    if phone.registered_just_before {
        let phone = " | User-Agent: App/7.4.1 (iOS)";
        let sent = script.ask_with(-5_000, "REGISTER", &["bob1", "core"], REGISTER, phone);
        script.answer(-4_990, 200, &sent, "tag=reg");
    }
    let trunk = script.ask(0, "INVITE", &["alice", "core"], CALL);
    script.answer(2, 100, &trunk, "");
    let push =
        format!("core>fcm PUSH body={{\"callId\":\"call-a\",\"token\":\"token-1\",\"status\":{}}}", phone.status);
    script.line(10, "core", &push);
    let mut branches = Vec::new();
    let over = [phone.answers, phone.elsewhere, phone.gives_up].into_iter().flatten().min().unwrap_or(25_000);
    if phone.elsewhere.is_some() {
        let other = script.pass_on(6, "INVITE", &["core", "bob2"], (CALL, trunk.vias()), "");
        script.answer(150, 180, &other, "tag=b2");
        script.answer(151, 180, &trunk, "tag=b2");
        branches.push((other, "tag=b2", phone.elsewhere));
    }
    if let Some(after) = phone.registers {
        let sent = script.ask(after, "REGISTER", &["bob1", "core"], REGISTER);
        if phone.register_answered {
            script.answer(after + 10, 200, &sent, "tag=reg");
        }
        if phone.invited && after < over {
            let own = script.pass_on(after + 30, "INVITE", &["core", "bob1"], (CALL, trunk.vias()), "");
            if phone.rings {
                script.answer(after + 200, 180, &own, "tag=b1");
                script.answer(after + 201, 180, &trunk, "tag=b1");
            }
            branches.push((own, "tag=b1", phone.answers));
        }
    }
    let answered = branches.iter().filter_map(|(_, tag, at)| Some(((*at)?, *tag))).min();
    for (sent, tag, at) in &branches {
        match at {
            Some(at) if Some((*at, *tag)) == answered => {
                script.answer(*at, 200, sent, tag);
                script.answer(at + 1, 200, &trunk, tag);
                let device = if *tag == "tag=b1" { "bob1" } else { "bob2" };
                script.ask(at + 20, "ACK", &["alice", "core", device], &format!("{CALL} {tag}"));
                let more = format!("call=call-a cseq=2 ftag=f {tag}");
                let bye = script.ask(at + 20_000, "BYE", &["alice", "core", device], &more);
                script.answer(at + 20_040, 200, &bye, "");
            }
            _ => {
                script.by_hop(over + 10, "CANCEL", sent, "");
                script.answer(over + 40, 487, sent, tag);
                script.by_hop(over + 50, "ACK", sent, tag);
            }
        }
    }
    if answered.is_none() {
        if phone.gives_up.is_some() {
            script.by_hop(over, "CANCEL", &trunk, "");
        }
        let status = if phone.gives_up.is_some() { 487 } else { 480 };
        script.answer(over + 60, status, &trunk, "tag=p");
        script.by_hop(over + 70, "ACK", &trunk, "tag=p");
    }
}

fn pushed(name: &'static str, phone: Phone) -> Fixture {
    Fixture::new(name, |script| call(script, phone)).with_phone("192.0.2.21", "token-1")
}

pub fn well() -> Vec<Fixture> {
    vec![pushed("wakes, rings and answers", WAKES)]
}

pub fn without_invite() -> Fixture {
    pushed("wakes, and gets no INVITE", Phone { invited: false, answers: None, ..WAKES })
}

/// Pushed a second time while it wakes.
pub fn twice() -> Fixture {
    let push = "core>fcm PUSH body={\"callId\":\"call-a\",\"token\":\"token-1\",\"status\":200}";
    let script = |script: &mut Script| {
        call(script, WAKES);
        script.line(2_000, "core", push);
    };
    Fixture::new("pushed twice", script).with_phone("192.0.2.21", "token-1")
}

pub fn others() -> Vec<Fixture> {
    let none = Phone { answers: None, ..WAKES };
    vec![
        pushed("wakes late", Phone { registers: Some(14_000), answers: Some(19_000), ..WAKES }),
        pushed("never wakes", Phone { registers: None, ..none }),
        Fixture::new("registered just before, and never wakes", |script| {
            call(script, Phone { registered_just_before: true, registers: None, answers: None, ..WAKES });
        }),
        pushed("the gateway refuses", Phone { status: 410, registers: None, ..none }),
        pushed("the gateway does not answer", Phone { status: 0, registers: None, ..none }),
        pushed("wakes, and its REGISTER is not answered", Phone { register_answered: false, invited: false, ..none }),
        without_invite(),
        pushed("gets the INVITE, and does not ring", Phone { rings: false, ..none }),
        pushed("answered elsewhere before it woke", Phone { elsewhere: Some(2_500), ..none }),
        pushed("the caller gave up before it woke", Phone { registers: None, gives_up: Some(5_000), ..none }),
    ]
}
