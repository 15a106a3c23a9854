//! What holds for the parts of any bytes.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{MOST_HTTP, MOST_SIP, Part, messages_within, parts};

const LINES: [&str; 22] = [
    "POST /v1 HTTP/1.1\r\n",
    "HEAD /v1 HTTP/1.1\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/x\n",
    "INVITE sip:bob@example.com SIP/2.0\r\n",
    "BYE sip:bob@example.com SIP/2.0\n",
    "SIP/2.0 180 Ringing\n",
    "Content-Length: 3\r\n",
    "Content-Length: 7\n",
    "l: 0\n",
    "Call-ID: a\r\n",
    "Transfer-Encoding: chunked\n",
    " folded\n",
    "\r\n",
    "\n",
    "abc",
    "a\n",
    "{\"a\":1}",
    "[\n",
    " \n",
    "a: \u{e9}\r\n",
];

fn lines() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..40).prop_map(|lines| lines.concat().into_bytes())
}

fn check(bytes: &[u8], parts: &[Part], all: bool) {
    let mut at = 0;
    for part in parts {
        assert!(at <= part.start && part.start <= part.body && part.body <= part.end, "{part:?}");
        assert!(part.start < part.end, "a part is not empty: {part:?}");
        assert!(!all || bytes[at..part.start].trim_ascii().is_empty(), "left out before {part:?}");
        at = part.end;
    }
    assert!(at <= bytes.len() && (!all || bytes[at..].trim_ascii().is_empty()), "left out at the end");
}

proptest! {
    #[test]
    fn parts_leave_nothing_out_but_blanks(bytes in lines()) {
        let parts = parts(&bytes);
        check(&bytes, &parts, true);
        prop_assert!(parts.len() <= MOST_SIP.max(2 * MOST_HTTP + 2));
    }

    #[test]
    fn what_is_found_within_lies_one_behind_the_other(bytes in lines()) {
        check(&bytes, &messages_within(&bytes), false);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes, &parts(&bytes), true);
        check(&bytes, &messages_within(&bytes), false);
    }

    /// Messages with exact lengths come apart as they were put together.
    #[test]
    fn sip_messages_with_exact_lengths_come_apart(
        bodies in prop::collection::vec("([a-z=]{0,9}\n){0,4}", 1..12), eol in 0..3_usize,
    ) {
        let mut text = String::new();
        let mut starts = Vec::new();
        for body in &bodies {
            // CRLF; LF that was CRLF on the wire; LF that was LF there.
            let (head, body, octets) = match eol {
                0 => ("\r\n", body.replace('\n', "\r\n"), body.len() + body.matches('\n').count()),
                1 => ("\n", body.clone(), body.len() + body.matches('\n').count()),
                _ => ("\n", body.clone(), body.len()),
            };
            starts.push(text.len());
            text.push_str(&format!("INFO sip:b@a SIP/2.0{head}Call-ID: x{head}l: {octets}{head}{head}{body}"));
        }
        let found: Vec<usize> = parts(text.as_bytes()).iter().map(|part| part.start).collect();
        prop_assert_eq!(&found, &starts);
        let within: Vec<usize> = messages_within(text.as_bytes()).iter().map(|part| part.start).collect();
        prop_assert_eq!(within, starts);
    }
}

/// Each of these would take minutes if any byte were looked at once for each line or message.
#[test]
fn hostile_records_take_linear_time() {
    let start = "INVITE sip:b@a SIP/2.0\nCall-ID: a\n";
    let far = format!("{start}l: 900000\n\n");
    for piece in [
        "{\"a\":1}\n",
        "\nHTTP/",
        "\nHTTP/1.1 200 OK\n\n ",
        "[",
        "{",
        "SIP/2.0 200 OK\nl: 0\n\n",
        "\n",
        " ",
        start,
        &far,
    ] {
        let bytes = piece.repeat((4 << 20) / piece.len());
        let started = Instant::now();
        check(bytes.as_bytes(), &parts(bytes.as_bytes()), true);
        check(bytes.as_bytes(), &messages_within(bytes.as_bytes()), false);
        assert!(started.elapsed() < Duration::from_secs(10), "{piece:?} took {:?}", started.elapsed());
    }
}
