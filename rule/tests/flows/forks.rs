//! Forks of up to four devices: every order of answer, release, and race.

use super::Fixture;
use super::script::{Script, Sent};

const CALL: &str = "call=call-a cseq=1 ftag=f";
const DEVICES: [&str; 4] = ["bob1", "bob2", "bob3", "sip:192.0.2.24:5060"];

/// What a device does after it rang.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// After so many milliseconds.
    Answers(i64),
    Refuses(i64, u16),
    IsReleased,
    IsReleasedLate(i64),
    RingsOn,
    NeverRang,
}

/// A call to several devices: the first that answers gets it.
pub fn fork(script: &mut Script, devices: &[Does]) {
    let trunk = script.ask(0, "INVITE", &["alice", "core"], CALL);
    script.answer(2, 100, &trunk, "");
    let branch = |script: &mut Script, nth: usize| {
        let way = ["core", DEVICES[nth]];
        script.pass_on(4 + nth as i64, "INVITE", &way, (CALL, trunk.vias()), "")
    };
    let sent: Vec<Sent> = (0..devices.len()).map(|nth| branch(script, nth)).collect();
    for nth in 0..devices.len() {
        if devices[nth] != Does::NeverRang {
            let at = 200 + 10 * nth as i64;
            script.answer(at, 180, &sent[nth], &format!("tag=b{nth}"));
            script.answer(at + 1, 180, &trunk, &format!("tag=b{nth}"));
        }
    }
    let answers = devices.iter().enumerate().filter_map(|(nth, does)| match does {
        Does::Answers(at) => Some((*at, nth)),
        _ => None,
    });
    let mut answers: Vec<(i64, usize)> = answers.collect();
    answers.sort_unstable();
    let first = answers.first().copied();
    for (nth, does) in devices.iter().enumerate() {
        let tag = format!("tag=b{nth}");
        let ends = |script: &mut Script, at: i64, status: u16| {
            script.answer(at, status, &sent[nth], &tag);
            script.by_hop(at + 5, "ACK", &sent[nth], &tag);
        };
        if let Does::Refuses(at, status) = does {
            ends(script, *at, *status);
        }
        let Some((answered, _)) = first else { continue };
        match does {
            Does::IsReleased | Does::IsReleasedLate(_) | Does::RingsOn => {
                script.by_hop(answered + 5, "CANCEL", &sent[nth], "");
                match does {
                    Does::IsReleased => ends(script, answered + 30, 487),
                    Does::IsReleasedLate(after) => ends(script, answered + after, 487),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    for (order, (at, nth)) in answers.iter().enumerate() {
        let tag = format!("tag=b{nth}");
        script.answer(*at, 200, &sent[*nth], &format!("{tag} contact=<sip:bob@192.0.2.2{}:5060>", nth + 1));
        script.answer(at + 1, 200, &trunk, &tag);
        let way = ["alice", "core", DEVICES[*nth]];
        script.ask(at + 20, "ACK", &way, &format!("{CALL} {tag}"));
        if order > 0 {
            let bye = script.ask(at + 60, "BYE", &way, &format!("call=call-a cseq=2 ftag=f {tag}"));
            script.answer(at + 90, 200, &bye, "");
        }
    }
    if let Some((at, nth)) = first {
        let way = ["alice", "core", DEVICES[nth]];
        let bye = script.ask(at + 30_000, "BYE", &way, &format!("call=call-a cseq=3 ftag=f tag=b{nth}"));
        script.answer(at + 30_040, 200, &bye, "");
    } else {
        script.answer(12_000, 486, &trunk, "tag=p");
        script.by_hop(12_010, "ACK", &trunk, "tag=p");
    }
}

pub fn well() -> Vec<Fixture> {
    let forked = |name, devices: &[Does]| {
        let devices = devices.to_vec();
        Fixture::new(name, move |script| fork(script, &devices))
    };
    use Does::{Answers, IsReleased, Refuses};
    vec![
        forked("two devices, the second answers", &[IsReleased, Answers(5_000)]),
        forked("three devices, one had refused", &[Refuses(1_000, 486), Answers(5_000), IsReleased]),
    ]
}

pub fn broken() -> Vec<Fixture> {
    let forked = |name, devices: &[Does]| {
        let devices = devices.to_vec();
        Fixture::new(name, move |script| fork(script, &devices))
    };
    use Does::{Answers, IsReleased, IsReleasedLate, NeverRang, Refuses, RingsOn};
    vec![
        forked("four devices, one answers", &[IsReleased, IsReleased, Answers(5_000), IsReleased]),
        forked("487 comes late", &[IsReleasedLate(12_000), Answers(5_000)]),
        forked("rings on after the answer", &[RingsOn, Answers(5_000), IsReleased]),
        forked("two answer, the second is hung up", &[Answers(5_000), Answers(5_010), IsReleased]),
        forked("one never rang", &[NeverRang, Answers(5_000)]),
        forked("all refuse", &[Refuses(1_000, 486), Refuses(2_000, 603), Refuses(3_000, 480)]),
    ]
}
