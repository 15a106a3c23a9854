//! What is shown of the end of a log before it is final: every record, and a mark on those alone that nobody can decide.

use super::torture::{BYE, INVITE, NOISE, POST, declared, framer, grow, sip};
use super::*;

/// What a reader tells of the end of a log: final spans, then provisional ones. The text of each and whether it is marked.
fn told(log: &str) -> Vec<(String, bool)> {
    let mut first = framer();
    let mut spans = grow(&mut first, log.as_bytes(), 0, log.len());
    let w = first.unfinished().0 as usize;
    assert_eq!(spans.last().map_or(0, |span| span.end().0), w as u64);
    let mut at = log.len();
    let mut guess = first.clone();
    let mut tail = Vec::new();
    while let Next::From(offset) = guess.presume(&mut tail) {
        at = offset.0 as usize;
        while at < log.len() {
            at = match guess.feed(&log.as_bytes()[at..], &mut tail) {
                Next::More => log.len(),
                Next::From(offset) => offset.0 as usize,
            };
        }
    }
    assert!(at >= log.len());
    tail.extend(guess.tail());
    let mut end = w as u64;
    for span in &tail {
        assert_eq!(span.start.0, end, "the tail tiles from the watermark on");
        end = span.end().0;
    }
    spans.extend(tail);
    let text = |span: &Span| log[span.start.0 as usize..span.end().0 as usize].to_owned();
    let records = spans.iter().filter(|span| span.kind == SpanKind::Record);
    records.map(|span| (text(span), span.flags.contains(Flags::UNFINISHED))).collect()
}

fn marks(log: &str) -> Vec<bool> {
    told(log).into_iter().map(|(_, marked)| marked).collect()
}

#[test]
fn the_last_record_of_a_quiet_log_is_marked_only_where_nobody_can_say_that_it_is_whole() {
    let whole = [
        sip("v=0\r\n"),
        sip("v=0"),
        "BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n".to_owned(),
        "BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok\n".to_owned(),
        "POST / HTTP/1.1\nContent-Length: 2\n\nok\n".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n\n".to_owned(),
        "{\"a\":1}\n".to_owned(),
    ];
    for message in whole {
        assert_eq!(told(&format!("{NOISE}{POST}{message}")), [(format!("{POST}{message}"), false)]);
    }
    let open = [
        String::new(),
        "BYE sip:a SIP/2.0\r\nVia".to_owned(),
        declared(500, "v=0\r\n"),
        declared(5, "v=0"),
        "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n".to_owned(),
        "{\"a\":".to_owned(),
        "hello\n".to_owned(),
    ];
    for message in open {
        let told = told(&format!("{NOISE}{POST}{message}"));
        assert_eq!(told.iter().map(|(_, marked)| *marked).collect::<Vec<_>>(), [true], "{message:?}");
    }
}

#[test]
fn records_after_a_length_that_lies_are_told_and_not_marked() {
    let lie = format!("{POST}POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\nAAAA...(truncated)\n\n");
    let call = format!("{INVITE}{}\n{BYE}{}\n", sip(""), sip("v=0\r\n"));
    assert_eq!(marks(&format!("{lie}{call}")), [true, false, false]);
    assert_eq!(
        marks(&format!("{lie}{call}{lie}{call}{INVITE}{}", declared(50, "v=0"))),
        [true, false, false, true, false, false, true]
    );
    let texts: Vec<String> = told(&format!("{lie}{call}")).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts.concat(), format!("{lie}{call}"));
}

#[test]
fn thousands_of_open_questions_are_told_in_linear_work() {
    let lie = format!("{POST}POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\nab\n\n");
    let log = lie.repeat(4000);
    let told = told(&log);
    assert_eq!(told.len(), 4000);
    assert!(told.iter().all(|(text, marked)| *marked && *text == lie));
}

#[test]
fn an_end_that_the_log_may_confirm_is_told_as_it_seems() {
    let body = format!("see:\r\n{BYE}end\r\n");
    let log = format!("{INVITE}{}", sip(&body));
    assert_eq!(told(&log), [(log.clone(), true)]);
}

#[test]
fn what_is_told_early_is_what_becomes_final() {
    let lie = format!("{POST}POST / HTTP/1.1\r\nContent-Length: 3000\r\n\r\nab\n\n");
    let log = format!("{lie}{INVITE}{}\n", sip("v=0\r\n"));
    let early = told(&log);
    let more = format!("{log}{}", NOISE.repeat(100));
    let late = told(&more);
    assert_eq!(
        early.iter().map(|(text, _)| text).collect::<Vec<_>>(),
        late.iter().map(|(text, _)| text).collect::<Vec<_>>()
    );
    assert_eq!(late.iter().map(|(_, marked)| *marked).collect::<Vec<_>>(), [false, false]);
}
