//! Calls through one proxy as its log has them, made by the thousand.

use std::fmt::Write;

/// How a call goes on after its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is acknowledged, and hung up a second later.
    Well,
    /// The answer is never acknowledged.
    NoAck,
    /// Nobody answers the BYE, which the caller repeats (RFC 3261, timer E).
    NoByeAnswer,
}

const CALLER: &str = "sip:198.51.100.10:5060";
const PROXY: &str = "sip:192.0.2.7:5060";
const DEVICE: &str = "sip:203.0.113.5:5060";
const MILLI: i64 = 1_000;

/// Adds the records of a call that begins at this time, in microseconds. Its Call-ID is `NAME@made`.
pub fn call(log: &mut Vec<(i64, String)>, begins: i64, name: &str, end: End) {
    let mut say = |after: i64, first: &str, method: &str, from: &str, to: &str, tag: bool| {
        log.push((begins + after, record(begins + after, first, method, from, to, (name, tag))));
    };
    say(0, "INVITE sip:bob@example.com SIP/2.0", "1 INVITE", CALLER, PROXY, false);
    say(MILLI, "SIP/2.0 100 Trying", "1 INVITE", PROXY, CALLER, false);
    say(2 * MILLI, "INVITE sip:bob@203.0.113.5:5060 SIP/2.0", "1 INVITE", PROXY, DEVICE, false);
    say(90 * MILLI, "SIP/2.0 180 Ringing", "1 INVITE", DEVICE, PROXY, true);
    say(91 * MILLI, "SIP/2.0 180 Ringing", "1 INVITE", PROXY, CALLER, true);
    say(500 * MILLI, "SIP/2.0 200 OK", "1 INVITE", DEVICE, PROXY, true);
    say(501 * MILLI, "SIP/2.0 200 OK", "1 INVITE", PROXY, CALLER, true);
    if end != End::NoAck {
        say(520 * MILLI, "ACK sip:bob@203.0.113.5:5060 SIP/2.0", "1 ACK", CALLER, PROXY, true);
        say(521 * MILLI, "ACK sip:bob@203.0.113.5:5060 SIP/2.0", "1 ACK", PROXY, DEVICE, true);
        say(1_500 * MILLI, "BYE sip:bob@203.0.113.5:5060 SIP/2.0", "2 BYE", CALLER, PROXY, true);
        say(1_501 * MILLI, "BYE sip:bob@203.0.113.5:5060 SIP/2.0", "2 BYE", PROXY, DEVICE, true);
    }
    if end == End::NoByeAnswer {
        for after in [2_000, 3_000, 5_000] {
            say(after * MILLI, "BYE sip:bob@203.0.113.5:5060 SIP/2.0", "2 BYE", CALLER, PROXY, true);
        }
    }
    if end == End::Well {
        say(1_520 * MILLI, "SIP/2.0 200 OK", "2 BYE", DEVICE, PROXY, true);
        say(1_521 * MILLI, "SIP/2.0 200 OK", "2 BYE", PROXY, CALLER, true);
    }
}

/// The log of calls, in the order of their times.
pub fn log(mut records: Vec<(i64, String)>) -> String {
    records.sort_by_key(|(at, _)| *at);
    records.into_iter().map(|(_, record)| record).collect()
}

/// `of`: the name of the call, and whether the called side has said its tag.
fn record(at: i64, first: &str, cseq: &str, from: &str, to: &str, of: (&str, bool)) -> String {
    let (name, tagged) = of;
    let is_answer = first.starts_with("SIP/2.0");
    let field = first.split(' ').nth(usize::from(is_answer)).unwrap_or_default();
    let (number, method) = cseq.split_once(' ').unwrap_or_default();
    // An answer goes back the way of its request: the device's side has the proxy's Via on top.
    let between = if is_answer { [to, from] } else { [from, to] };
    let passed_on = between == [PROXY, DEVICE];
    let branch = |hop: &str| format!("z9hG4bK-{name}-{hop}-{number}-{}", method.to_lowercase());
    let mut text = format!("[{}.{:06}][{field}][{from}][{to}]\n{first}\r\n", at / 1_000_000, at % 1_000_000);
    if passed_on {
        let _ = write!(text, "Via: SIP/2.0/UDP 192.0.2.7:5060;branch={}\r\n", branch("proxy"));
    }
    let _ = write!(text, "Via: SIP/2.0/UDP 198.51.100.10:5060;branch={}\r\n", branch("caller"));
    if method == "INVITE" {
        text.push_str("Record-Route: <sip:192.0.2.7;lr>\r\n");
    }
    let tag = if tagged { format!(";tag=b-{name}") } else { String::new() };
    let _ = write!(
        text,
        "Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=a-{name}\r\n\
         To: <sip:bob@example.com>{tag}\r\nCall-ID: {name}@made\r\nCSeq: {cseq}\r\n\
         User-Agent: Zoiper 5\r\nContent-Length: 0\r\n\r\n\n"
    );
    text
}
