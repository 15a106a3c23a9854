//! A phone registers.

use super::network::{CORE, EDGE, Phone};
use super::story::{Answer, Request, Story};

pub fn registration(id: String, at: i64, phone: &Phone) -> Story {
    let mut story = Story::new(id);
    register(&mut story, at, phone);
    story
}

/// As after a start: challenged once.
pub fn register(story: &mut Story, at: i64, phone: &Phone) -> i64 {
    let id = story.id.clone();
    let mut headers = vec![format!("Contact: {};expires=600", phone.contact()), "Expires: 600".to_owned()];
    headers.push(format!("User-Agent: {}", phone.agent));
    let first = Request {
        method: "REGISTER",
        uri: "sip:example.com".to_owned(),
        from: format!("<sip:{}@example.com>;tag=r{id}-{}", phone.user, phone.nth),
        to: format!("<sip:{}@example.com>", phone.user),
        call_id: format!("reg-{id}-{}", phone.nth),
        cseq: 1,
        headers: headers.clone(),
        body: String::new(),
        way: vec![phone.node],
        vias: Vec::new(),
    };
    let tag = format!("reg-{id}");
    let challenge = format!("WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{id}\"");
    let mut asked = first.clone();
    let at = story.pass_all(at, &mut asked, &[EDGE, CORE]);
    let refusal = Answer { status: 401, tag: tag.clone(), headers: vec![challenge], ..Answer::default() };
    let at = story.answer(at, &asked, &refusal, phone.node);
    let user = phone.user;
    headers.push(format!(
        "Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{id}\", uri=\"sip:example.com\", response=\"0\""
    ));
    let mut again = Request { cseq: 2, headers: headers.clone(), ..first };
    let at = story.pass_all(at, &mut again, &[EDGE, CORE]);
    let accepted = Answer { status: 200, tag, headers: headers[..1].to_vec(), ..Answer::default() };
    story.answer(at, &again, &accepted, phone.node)
}
