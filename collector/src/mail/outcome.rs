//! What became of a mail at its server, and what is to be done next. Pure.

use std::fmt;
use std::time::Duration;

use lettre::Address;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What became of one mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub next: Next,
    /// The server's answer to the mail, or what went wrong.
    pub said: Result<Answer, Failure>,
    /// Recipients that the server will never take. The others go on.
    pub refused: Vec<(Address, Answer)>,
    /// Recipients that it did not take now: the same bytes once more, to them alone.
    pub later: Vec<(Address, Answer)>,
}

/// What the outbox does after a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Delivered to everybody but those in `refused` and `later`.
    Done,
    /// The server will never take it: a dead letter.
    GiveUp,
    /// This mail once more, later.
    Again,
    /// It may have been delivered: once more with the same bytes, so with the same Message-ID.
    Unknown,
    /// No mail of this account for a while; this one stays queued.
    Hold(Hold),
}

/// How long an account rests. One mail is tried at the end of it, and the others wait for its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Too many logins, or too fast: 15 min, doubled each time, up to 4 h.
    Doubling,
    /// The day's mails are used up: an hour.
    Hourly,
    /// Nothing will go until somebody changes the config or the server: an hour, and home says so.
    Broken,
}

/// How far a mail came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// Name, connection, greeting.
    Reach,
    /// STARTTLS.
    Secure,
    Login,
    /// MAIL FROM.
    From,
    /// RCPT TO.
    To,
    /// DATA, before any of the mail was sent.
    Announce,
    /// The mail itself, and the answer to it.
    Content,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub step: Step,
    pub trouble: Trouble,
}

impl Failure {
    /// The server's code, where it said one.
    pub fn code(&self) -> Option<u16> {
        match &self.trouble {
            Trouble::Answered(answer) => Some(answer.code),
            _ => None,
        }
    }
}

/// What went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The server's name has no address.
    NotFound(String),
    Unreachable(String),
    Certificate(String),
    /// What came is no TLS.
    NotTls(String),
    NoStarttls,
    /// It offers no login, or none with user and password.
    NoLogin,
    /// It asked for more where user and password had said all (334).
    Challenge,
    /// 4xx or 5xx.
    Answered(Answer),
    /// The connection ended before an answer.
    Closed,
    TimedOut,
    /// What came is no SMTP.
    NotSmtp(String),
}

/// A reply of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub code: u16,
    pub text: String,
}

impl Answer {
    /// On one line, and no longer than a person reads.
    pub fn new(code: u16, text: &str) -> Self {
        let plain = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
        let text = plain.collect::<Vec<_>>().join(" ");
        Self { code, text: text.chars().take(300).collect() }
    }

    /// The enhanced code of RFC 3463 (`5.7.8`), which stands in the text.
    pub fn enhanced(&self) -> Option<[u16; 3]> {
        let word = self.text.split([' ', ':', ',']).find(|word| word.matches('.').count() == 2)?;
        let mut parts = word.split('.').map(|part| (part.len() <= 3).then(|| part.parse().ok()).flatten());
        let code = [parts.next()??, parts.next()??, parts.next()??];
        matches!(code[0], 2 | 4 | 5).then_some(code)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl Sent {
    pub(crate) fn failed(step: Step, trouble: Trouble) -> Self {
        let next = Next::after(step, &trouble);
        Self { next, said: Err(Failure { step, trouble }), refused: Vec::new(), later: Vec::new() }
    }
}

impl Next {
    pub fn after(step: Step, trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Answered(answer) => Self::answered(step, answer),
            Trouble::Certificate(_) | Trouble::NotTls(_) | Trouble::NoStarttls | Trouble::NoLogin => {
                Self::Hold(Hold::Broken)
            }
            Trouble::Challenge => Self::Hold(Hold::Broken),
            Trouble::Closed | Trouble::TimedOut | Trouble::NotSmtp(_) if step == Step::Content => Self::Unknown,
            Trouble::NotFound(_) | Trouble::Unreachable(_) => Self::Again,
            Trouble::Closed | Trouble::TimedOut | Trouble::NotSmtp(_) => Self::Again,
        }
    }

    fn answered(step: Step, answer: &Answer) -> Self {
        let code = (answer.code, answer.enhanced());
        match code {
            // The day's limit: not final, whatever its first digit says.
            (_, Some([4 | 5, 4, 5])) => Self::Hold(Hold::Hourly),
            (400..=499, Some([_, 7, 0])) => Self::Hold(Hold::Doubling),
            (400..=499, _) if step == Step::Login => Self::Hold(Hold::Doubling),
            (421, None) => Self::Hold(Hold::Doubling),
            (400..=499, _) => Self::Again,
            (530, _) => Self::Hold(Hold::Broken),
            // Before the first recipient nothing is said of this mail: all others would fare alike.
            _ if step < Step::To => Self::Hold(Hold::Broken),
            _ => Self::GiveUp,
        }
    }

    /// How long to wait, when the same was said so many times in a row before; give or take a fifth.
    pub fn wait(self, before: u32) -> Option<Duration> {
        match self {
            Self::Done | Self::GiveUp => None,
            Self::Again | Self::Unknown => {
                let steps = [MINUTE / 2, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE];
                Some(steps.get(before as usize).copied().unwrap_or(HOUR))
            }
            Self::Hold(Hold::Doubling) => Some((15 * MINUTE * (1 << before.min(4))).min(4 * HOUR)),
            Self::Hold(Hold::Hourly | Hold::Broken) => Some(HOUR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: Step, code: u16, text: &str, expect: Next) {
        let trouble = Trouble::Answered(Answer::new(code, text));
        assert_eq!(Next::after(step, &trouble), expect, "{step:?}: {code} {text}");
    }

    #[test]
    fn what_a_server_answers_decides_what_is_done() {
        use Step::{Announce, Content, From, Login, Reach, To};
        let (doubling, hourly) = (Next::Hold(Hold::Doubling), Next::Hold(Hold::Hourly));
        let broken = Next::Hold(Hold::Broken);
        for (step, code, text, expect) in [
            (Reach, 421, "4.7.0 Try again later, closing connection. - gsmtp", doubling),
            (Reach, 421, "Too many connections", doubling),
            (Reach, 421, "4.3.2 Service shutting down", Next::Again),
            (Reach, 554, "5.7.1 Your address is listed", broken),
            (Login, 454, "4.7.0 Too many login attempts, please try again later. - gsmtp", doubling),
            (Login, 451, "Temporary authentication failure", doubling),
            (
                Login,
                535,
                "5.7.8 Username and Password not accepted. https://support.google.com/mail/?p=BadCredentials",
                broken,
            ),
            (Login, 534, "5.7.9 Application-specific password required", broken),
            (From, 530, "5.7.0 Authentication Required", broken),
            (From, 553, "5.7.1 Sender address rejected: not owned by user", broken),
            (From, 452, "4.3.1 Insufficient system storage", Next::Again),
            (To, 450, "4.2.1 The user is receiving mail too quickly", Next::Again),
            (To, 550, "5.1.1 The email account that you tried to reach does not exist", Next::GiveUp),
            (To, 554, "5.7.1 <x@example.com>: Relay access denied", Next::GiveUp),
            (To, 530, "5.7.0 Must issue a STARTTLS command first", broken),
            (Announce, 421, "4.7.28 Our system has detected an unusual rate of mail", Next::Again),
            (Content, 421, "4.7.28 Our system has detected an unusual rate of mail", Next::Again),
            (Content, 550, "5.4.5 Daily user sending limit exceeded. - gsmtp", hourly),
            (From, 550, "5.4.5 Daily SMTP relay limit exceeded", hourly),
            (Content, 552, "5.3.4 Message too big", Next::GiveUp),
            (Content, 554, "Transaction failed", Next::GiveUp),
            (Content, 451, "4.7.1 Greylisted", Next::Again),
        ] {
            check(step, code, text, expect);
        }
    }

    #[test]
    fn only_after_the_content_is_an_outcome_unknown() {
        use Step::{Announce, Content, Login, Reach, To};
        for step in [Reach, Login, To, Announce] {
            assert_eq!(Next::after(step, &Trouble::Closed), Next::Again);
            assert_eq!(Next::after(step, &Trouble::TimedOut), Next::Again);
        }
        for trouble in [Trouble::Closed, Trouble::TimedOut, Trouble::NotSmtp("?".into())] {
            assert_eq!(Next::after(Content, &trouble), Next::Unknown);
        }
        assert_eq!(Next::after(Reach, &Trouble::NotFound("no such host".into())), Next::Again);
        assert_eq!(Next::after(Reach, &Trouble::Certificate("expired".into())), Next::Hold(Hold::Broken));
        assert_eq!(Next::after(Login, &Trouble::Challenge), Next::Hold(Hold::Broken));
    }

    #[test]
    fn the_enhanced_code_is_read_from_the_text() {
        for (text, expect) in [
            ("5.7.8 Username and Password not accepted", Some([5, 7, 8])),
            ("4.7.28 unusual rate from 192.0.2.1", Some([4, 7, 28])),
            ("Error: 5.1.1: no such user", Some([5, 1, 1])),
            ("no code", None),
            ("version 1.2.3", None),
            ("5.1234.1 too long", None),
            ("", None),
        ] {
            assert_eq!(Answer::new(550, text).enhanced(), expect, "{text}");
        }
    }

    #[test]
    fn an_answer_is_one_line() {
        let hostile = Answer::new(550, &format!("5.1.1 no\r\n250 OK\u{1b}[2J{}", "x".repeat(1000)));
        assert!(hostile.to_string().starts_with("550 5.1.1 no 250 OK [2Jxxx"), "{hostile}");
        assert_eq!(hostile.text.len(), 300);
    }

    #[test]
    fn waits_grow_up_to_a_bound() {
        let waits = |next: Next| (0..8).map(|n| next.wait(n).expect("a wait").as_secs()).collect::<Vec<_>>();
        assert_eq!(waits(Next::Again), [30, 60, 120, 300, 900, 1800, 3600, 3600]);
        assert_eq!(waits(Next::Unknown), waits(Next::Again));
        assert_eq!(waits(Next::Hold(Hold::Doubling)), [900, 1800, 3600, 7200, 14400, 14400, 14400, 14400]);
        assert_eq!(waits(Next::Hold(Hold::Hourly)), [3600; 8]);
        assert_eq!(waits(Next::Hold(Hold::Broken)), [3600; 8]);
        assert_eq!((Next::Done.wait(0), Next::GiveUp.wait(0)), (None, None));
    }
}
