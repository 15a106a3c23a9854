//! REST in the way of a call, and registrations.

use super::Fixture;
use super::plain::invite;
use super::script::Script;

/// A look-up before the call: when it is asked, what it gets and when.
fn look_up(script: &mut Script, asked: &[(i64, Option<(i64, u16)>)], named: bool) {
    for (nth, (at, answer)) in asked.iter().enumerate() {
        let id = if named { format!(" | X-Request-ID: look-up-{nth}") } else { String::new() };
        let ask = |what: &str| format!("{what} | Call-ID: call-a{id}");
        script.line(*at, "core", &ask("core>api GET"));
        if let Some((after, status)) = answer {
            let answer = format!("api>core HTTP body=HTTP/1.1_{status}_Said{id}");
            script.line(at + after, "core", &answer);
        }
    }
    let sent = invite(script, 0, &["alice", "core", "bob1"], "call=call-a cseq=1 ftag=f");
    script.answer(200, 180, &sent, "tag=b");
    script.answer(9_000, 486, &sent, "tag=b");
    script.by_hop(9_020, "ACK", &sent, "tag=b");
}

fn asked(name: &'static str, asked: &[(i64, Option<(i64, u16)>)]) -> Fixture {
    let asked = asked.to_vec();
    Fixture::new(name, move |script| look_up(script, &asked, true))
}

/// Nothing says which answer is whose.
fn side_by_side(name: &'static str, answers: [Option<(i64, u16)>; 2]) -> Fixture {
    Fixture::new(name, move |script| look_up(script, &[(10, answers[0]), (20, answers[1])], false))
}

/// REGISTERs of a device, each with what it gets.
fn registers(name: &'static str, answers: &[Option<u16>]) -> Fixture {
    let answers = answers.to_vec();
    Fixture::new(name, move |script| {
        for (nth, status) in answers.iter().enumerate() {
            let at = 1_000 * nth as i64;
            let contact = "contact=<sip:bob@192.0.2.21:5060>";
            let more = format!("call=reg cseq={} ftag=r from=bob to=bob {contact}", nth + 1);
            let sent = script.ask_with(at, "REGISTER", &["bob1", "core"], &more, " | Expires: 3600");
            if let Some(status) = status {
                script.answer(at + 20, *status, &sent, "tag=reg");
            }
        }
    })
}

pub fn well() -> Vec<Fixture> {
    vec![
        asked("a look-up", &[(10, Some((100, 200)))]),
        registers("challenged, then registered", &[Some(401), Some(200)]),
    ]
}

pub fn others() -> Vec<Fixture> {
    vec![
        asked("not found", &[(10, Some((100, 404)))]),
        asked("a server failed", &[(10, Some((100, 500)))]),
        asked("slow", &[(10, Some((2_500, 200)))]),
        asked("no answer", &[(10, None)]),
        asked("failed, and asked again", &[(10, Some((100, 503))), (1_000, Some((100, 200)))]),
        side_by_side("two side by side without ids, one of them answered", [Some((100, 200)), None]),
        side_by_side("two side by side without ids", [Some((100, 200)), Some((100, 503))]),
        asked("failed, and asked again in vain", &[(10, Some((100, 503))), (1_000, Some((100, 503)))]),
    ]
}

pub fn registrations() -> Vec<Fixture> {
    vec![
        registers("registered at once", &[Some(200)]),
        registers("challenged again and again", &[Some(401), Some(401), Some(401), Some(401)]),
        registers("no answer", &[None]),
        registers("forbidden", &[Some(403)]),
    ]
}
