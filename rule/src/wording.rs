//! A step of a verdict as pages and mails say it: its text, as the rule writes it, cut into what was expected and when.

/// The step without its label and what it is called when it fails.
pub fn expected(text: &str) -> &str {
    let text = text.split_once(": ").filter(|(label, _)| !label.contains(' ')).map_or(text, |(_, rest)| rest);
    let text = text.rsplit_once(" else ").map_or(text, |(rest, _)| rest);
    text.strip_suffix(" optional").unwrap_or(text)
}

/// `ack: ACK to device within 32s of answer else no-ack` waits for `ACK`.
pub fn what(text: &str) -> String {
    let pattern = &expected(text)[..timing_at(expected(text))];
    let pattern = pattern.strip_prefix("no ").unwrap_or(pattern);
    let terms = pattern.split(" or ").map(|term| {
        let ends = [" from ", " to ", " with "].iter().filter_map(|word| term.find(word)).min();
        let term = &term[..ends.unwrap_or(term.len())];
        let Some((codes, method)) = term.split_once(' ').filter(|_| term.starts_with(|c: char| c.is_ascii_digit()))
        else {
            return term.replace('|', " or ");
        };
        let answer = named(codes);
        let of = if answer.ends_with("refusal") { "of" } else { "to" };
        format!("{answer} {of} {}", method.replace('|', " or "))
    });
    let mut seen = Vec::new();
    for term in terms {
        if !seen.contains(&term) {
            seen.push(term);
        }
    }
    seen.join(" or ")
}

/// The answers that a step waits for: codes and methods, as in `180|2xx INVITE`. Nothing where it forbids, or waits for a request.
pub fn answers(text: &str) -> Vec<(&str, Vec<&str>)> {
    let words = expected(text);
    let terms = words[..timing_at(words)].split(" or ");
    let answer = |term: &'_ str| term.starts_with(|c: char| c.is_ascii_digit());
    terms
        .filter(|term| answer(term))
        .filter_map(|term| {
            let mut words = term.split(' ');
            Some((words.next()?, words.next()?.split('|').collect()))
        })
        .collect()
}

/// Whether a status is one of `180|2xx|300-399`.
pub fn holds(codes: &str, status: u16) -> bool {
    codes.split('|').any(|code| {
        let (least, most) = code.split_once('-').unwrap_or((code, code));
        let bound = |code: &str, digit: &str| code.replace('x', digit).parse::<u16>().ok();
        bound(least, "0").zip(bound(most, "9")).is_some_and(|(least, most)| (least..=most).contains(&status))
    })
}

/// `1xx-6xx` is any answer, and `180|183|200-486|488-699` "ringing or final answer".
fn named(codes: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for code in codes.split('|') {
        let (least, most) = code.split_once('-').unwrap_or((code, code));
        let hundreds = |code: &str| code.bytes().next().map_or(0, |digit| digit.saturating_sub(b'0'));
        let word = match (hundreds(least), hundreds(most), least == most) {
            (1, 5.., _) => "any answer",
            (2, 3.., _) => "final answer",
            (3, 5.., _) => "refusal",
            // The rest of what left one code out.
            (4, 6.., _) if words.iter().any(|word| word == "final answer") => continue,
            (1, _, true) if matches!(code, "180" | "183") => "ringing",
            _ => code,
        };
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    let words = words.join(" or ");
    if words.ends_with("ringing") { words + " answer" } else { words }
}

/// `within 32 s of answer`
pub fn within(text: &str) -> String {
    let words = expected(text);
    let timing = words[timing_at(words)..].trim();
    let timing = spaced(timing);
    timing.strip_suffix(" of start").map(str::to_owned).unwrap_or(timing)
}

fn timing_at(words: &str) -> usize {
    [" within ", " before "].iter().filter_map(|word| words.find(word)).min().unwrap_or(words.len())
}

/// What a mail says of a step that failed: `no REGISTER from device within 10 s of start`, and of one that is forbidden `BYE before
/// answer`.
pub fn missed(text: &str) -> String {
    let text = spaced(expected(text));
    match text.strip_prefix("no ") {
        Some(forbidden) => forbidden.to_owned(),
        None => format!("no {text}"),
    }
}

/// What is said beside a message that came in place of another: `expected 2xx to PUSH within 3 s`, and beside one that is forbidden
/// `no BYE before answer`.
pub fn beside(text: &str) -> String {
    if expected(text).starts_with("no ") {
        return spaced(expected(text));
    }
    format!("expected {} {}", what(text), within(text)).trim_end().to_owned()
}

/// `10s` as it is read: `10 s`; a minute is `min`.
fn spaced(text: &str) -> String {
    let word = |word: &str| match word.find(|c: char| !c.is_ascii_digit()) {
        Some(at) if at > 0 && matches!(&word[at..], "ms" | "s" | "m" | "h") => {
            format!("{} {}", &word[..at], if &word[at..] == "m" { "min" } else { &word[at..] })
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_said_in_the_words_of_the_page() {
        let say = |text: &str| format!("{} / {}", what(text), within(text));
        assert_eq!(say("ack: ACK to device within 32s of answer else no-ack"), "ACK / within 32 s of answer");
        assert_eq!(
            say("trying: 1xx-6xx INVITE to caller within 2s else no-response"),
            "any answer to INVITE / within 2 s"
        );
        assert_eq!(say("2xx INVITE to caller within 2s of start else answer-lost"), "2xx to INVITE / within 2 s");
        assert_eq!(
            say("ringing: 180|183|2xx-6xx INVITE from device within 5s of invite else no-ring"),
            "ringing or final answer to INVITE / within 5 s of invite"
        );
        assert_eq!(
            say("answer: 2xx-5xx GET|POST within 2s else api-timeout"),
            "final answer to GET or POST / within 2 s"
        );
        assert_eq!(say("no BYE before answer else early-bye"), "BYE / before answer");
        let said = |codes: &str| what(&format!("{codes} INVITE from device within 8s else x"));
        assert_eq!(said("180|183|200-486|488-699"), "ringing or final answer to INVITE");
        assert_eq!(said("3xx-6xx"), "refusal of INVITE");
        assert_eq!(said("180|183"), "ringing answer to INVITE");
        assert_eq!(said("486|600"), "486 or 600 to INVITE");
    }

    #[test]
    fn the_answers_that_a_step_waits_for_are_read_from_its_text() {
        let text = "ringing: 180|183|200-486|488-699 INVITE from device within 5s of invite else no-ring";
        assert_eq!(answers(text), [("180|183|200-486|488-699", vec!["INVITE"])]);
        let held = [180, 181, 200, 486, 487, 603].map(|status| holds("180|183|200-486|488-699", status));
        assert_eq!(held, [true, false, true, true, false, true]);
        assert!(holds("2xx-5xx", 599) && !holds("2xx", 410));
        assert_eq!(answers("answer: 2xx-5xx GET|POST within 2s else x"), [("2xx-5xx", vec!["GET", "POST"])]);
        assert_eq!(answers("ack: ACK to device within 32s of answer else no-ack"), []);
        assert_eq!(answers("no 3rd 401|407 REGISTER to device within 32s else auth-loop"), []);
    }

    #[test]
    fn a_step_that_failed_is_said_without_its_label_and_class() {
        assert_eq!(
            missed("woke: REGISTER from device within 10s of start else no-wake"),
            "no REGISTER from device within 10 s of start"
        );
        assert_eq!(missed("no BYE before answer else early-bye"), "BYE before answer");
        assert_eq!(missed("REGISTER from device within 5m optional"), "no REGISTER from device within 5 min");
    }

    #[test]
    fn what_is_said_beside_a_message_reads_as_a_sentence() {
        assert_eq!(beside("accepted: 2xx PUSH within 3s else push-rejected"), "expected 2xx to PUSH within 3 s");
        assert_eq!(beside("2xx-5xx GET|POST"), "expected final answer to GET or POST");
        assert_eq!(
            beside("no 3rd 401|407 REGISTER to device within 32s else auth-loop"),
            "no 3rd 401|407 REGISTER to device within 32 s"
        );
    }
}
