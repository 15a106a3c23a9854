//! What requests within a call are for, in words: where a REFER sends somebody, how that went, hold and resume.

use std::collections::{HashMap, HashSet};

use message::flow::{Flow, Half, NodeKind};
use message::kind::Kind;
use message::logged::Message;
use message::sip::{NameAddr, Sdp};

use super::entry::{is_answer, status};
use super::words::shortened;

/// Letters of a name.
const LONGEST: usize = 60;

/// A session description that stops the other side's media, or lets it flow again (RFC 3264, 8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    pub resumes: bool,
    pub refused: bool,
}

/// By row: what holds or resumes, on each hop.
pub fn holds(flow: &Flow, messages: &[Message]) -> HashMap<usize, Hold> {
    let refusals = flow.rows.iter().filter(|row| status(&messages[row.message], row.half).is_some_and(|s| s >= 300));
    let refused: HashSet<usize> = refusals.filter_map(|row| row.pair).collect();
    let (mut holding, mut told) = (HashSet::new(), HashMap::new());
    let mut holds = HashMap::new();
    for (at, row) in flow.rows.iter().enumerate() {
        let message = &messages[row.message];
        let Some(sip) = message.facts.sip.as_ref().filter(|_| changes(message, row.half)) else { continue };
        let (Some(sdp), Some(_)) = (&sip.sdp, sip.to.as_ref().and_then(NameAddr::tag)) else { continue };
        let who = (message.facts.call_id.as_deref(), sip.from.as_ref().and_then(NameAddr::tag));
        let hold = *told.entry((who, sip.cseq)).or_insert_with(|| {
            let (was, is, refused) = (holding.contains(&who), is_held(sdp), refused.contains(&at));
            if is && !refused {
                holding.insert(who);
            } else if !refused {
                holding.remove(&who);
            }
            (was != is).then_some(Hold { resumes: was, refused })
        });
        holds.extend(hold.map(|hold| (at, hold)));
    }
    holds
}

fn changes(message: &Message, half: Half) -> bool {
    message.kind == Kind::Sip
        && !is_answer(message, half)
        && matches!(message.facts.method.as_str(), "INVITE" | "UPDATE")
}

/// Before there were directions, the address 0.0.0.0 meant it (RFC 2543).
fn is_held(sdp: &Sdp) -> bool {
    let mut streams = sdp.media.iter().filter(|media| media.port != 0).peekable();
    let stopped = streams.peek().is_some() && streams.all(|media| matches!(&*media.direction, "sendonly" | "inactive"));
    stopped || sdp.address.as_deref() == Some("0.0.0.0")
}

impl Hold {
    /// Behind the method.
    pub fn label(self) -> &'static str {
        if self.resumes { "resume" } else { "hold" }
    }

    /// `bob puts the call on hold`
    pub fn says(self, who: &str) -> String {
        match (self.resumes, self.refused) {
            (false, false) => format!("{who} puts the call on hold"),
            (true, false) => format!("{who} resumes the call"),
            (false, true) => format!("{who} asks to hold the call, and is refused"),
            (true, true) => format!("{who} asks to resume the call, and is refused"),
        }
    }
}

/// The device that sends a request, else the person in its From.
pub fn sender(row: usize, flow: &Flow, messages: &[Message]) -> String {
    let row = &flow.rows[row];
    let node = &flow.nodes[row.from];
    let sip = messages[row.message].facts.sip.as_ref();
    let user = sip.and_then(|sip| sip.from.as_ref()).map(|from| from.uri.user.as_str());
    match user.filter(|user| node.kind != NodeKind::Device && !user.is_empty()) {
        Some(user) => shortened(user, LONGEST),
        None => node.name.clone(),
    }
}

/// What stands behind the method of a request within a call: `to carol`, `200 OK`.
pub fn label(message: &Message) -> Option<String> {
    let sip = message.facts.sip.as_ref()?;
    match message.facts.method.as_str() {
        "REFER" => {
            let uri = &sip.refer_to.as_ref()?.uri;
            let whom = if uri.user.is_empty() { &uri.host } else { &uri.user };
            let takes = uri.text.to_ascii_lowercase().contains("replaces=");
            let over = if takes { ", in place of another call" } else { "" };
            (!whom.is_empty()).then(|| format!("to {}{over}", shortened(whom, LONGEST)))
        }
        // How a REFER went on: the start line of the answer to what it asked for (RFC 3515, 2.4.5).
        "NOTIFY" if sip.content_type.as_deref().is_some_and(is_fragment) => {
            let body = message.body();
            let at = body.windows(8).rposition(|part| part.eq_ignore_ascii_case(b"SIP/2.0 "))? + 8;
            let line = body[at..].split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
            Some(shortened(String::from_utf8_lossy(line).trim(), LONGEST)).filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

fn is_fragment(content_type: &str) -> bool {
    content_type.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("message/sipfrag"))
}

#[cfg(test)]
mod tests {
    use message::sip::{Media, Uri};

    use super::*;
    use crate::ladder::sample::Sample;

    fn media(port: u16, direction: &str) -> Media {
        Media { port, direction: direction.into(), ..Media::default() }
    }

    /// A re-INVITE within a dialog, with this direction and number.
    fn reinvite(s: &mut Sample, at: i64, text: &str, direction: &str, cseq: u32) -> usize {
        let row = s.row(at, text);
        let sip = s.messages[s.flow.rows[row].message].facts.sip.as_mut().unwrap();
        sip.to.as_mut().unwrap().params = vec![("tag".into(), "b1".into())];
        sip.cseq = Some(cseq);
        sip.sdp = Some(Sdp { media: vec![media(4000, direction)], ..Sdp::default() });
        row
    }

    #[test]
    fn who_holds_is_told_once_and_what_is_refused_holds_nothing() {
        let mut s = Sample::of(&["alice-ios of alice", "sbc-1", "proxy-1"]);
        s.leg("A");
        let text = "A alice-ios > sbc-1 INVITE sdp";
        let refused = reinvite(&mut s, 0, text, "sendonly", 2);
        s.row(10, "A sbc-1 > alice-ios 491 INVITE Pending");
        let held = reinvite(&mut s, 1_000, text, "sendonly", 3);
        let passed_on = reinvite(&mut s, 1_005, "A sbc-1 > proxy-1 INVITE sdp", "sendonly", 3);
        let refreshed = reinvite(&mut s, 2_000, text, "inactive", 4);
        let resumed = reinvite(&mut s, 3_000, text, "sendrecv", 5);
        let holds = holds(&s.flow, &s.messages);
        let says = |row: usize| holds.get(&row).map(|hold| hold.says(&sender(row, &s.flow, &s.messages)));
        assert_eq!(says(refused).unwrap(), "alice-ios asks to hold the call, and is refused");
        assert_eq!(says(held).unwrap(), "alice-ios puts the call on hold");
        assert_eq!(says(passed_on).unwrap(), "alice puts the call on hold", "a server sends it for somebody");
        assert_eq!(says(refreshed), None);
        assert_eq!(says(resumed).unwrap(), "alice-ios resumes the call");
    }

    #[test]
    fn a_refer_says_whom_it_leads_to_and_a_notify_how_it_went() {
        let mut s = Sample::of(&["alice-ios of alice", "sbc-1"]);
        s.leg("A");
        let (refer, notify) = (s.row(0, "A alice-ios > sbc-1 REFER"), s.row(1, "A sbc-1 > alice-ios NOTIFY"));
        let mut says = |row: usize, to: &str, body: &str| {
            let message = &mut s.messages[s.flow.rows[row].message];
            message.raw.extend_from_slice(body.as_bytes());
            let sip = message.facts.sip.as_mut().unwrap();
            sip.refer_to = Some(NameAddr { uri: Uri::parse(to), ..NameAddr::default() });
            sip.content_type = Some("message/sipfrag;version=2.0".into());
            label(message)
        };
        assert_eq!(says(refer, "sip:carol@example.com", "").unwrap(), "to carol");
        assert_eq!(
            says(refer, "sip:carol@example.com?Replaces=42%40a", "").unwrap(),
            "to carol, in place of another call"
        );
        assert_eq!(says(refer, "sip:queue.example.com", "").unwrap(), "to queue.example.com");
        assert_eq!(says(notify, "", "SIP/2.0 503 Service Unavailable\r\n").unwrap(), "503 Service Unavailable");
        assert_eq!(says(notify, "", "SIP/2.0 \r\n"), None);
    }

    #[test]
    fn a_call_is_held_when_all_its_streams_are() {
        let sdp = |media: &[Media]| Sdp { media: media.to_vec(), address: None };
        for (media, held) in [
            (vec![media(4000, "sendonly")], true),
            (vec![media(4000, "inactive"), media(0, "sendrecv")], true),
            (vec![media(4000, "sendonly"), media(4002, "sendrecv")], false),
            (vec![media(4000, "recvonly")], false),
            (vec![media(0, "inactive")], false),
            (vec![], false),
        ] {
            assert_eq!(is_held(&sdp(&media)), held, "{media:?}");
        }
        assert!(is_held(&Sdp { address: Some("0.0.0.0".into()), media: vec![media(4000, "sendrecv")] }));
    }
}
