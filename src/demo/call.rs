//! A call from its INVITE to its answer: what phones and servers do. Times are microseconds of a round.

use record::time::SECOND;

use super::network::{APNS, CORE, CORE_HTTP, EDGE, LOOK_UP, Log, PUSHER, Phone};
use super::register::register;
use super::story::{Answer, MS, Request, Story, http};

const ROUTE: [&str; 2] = ["Record-Route: <sip:192.0.2.7;lr>", "Record-Route: <sip:192.0.2.1;lr>"];
/// A call whose INVITE has come to the core.
#[derive(Debug)]
pub struct Call {
    pub(super) story: Story,
    pub(super) caller: &'static Phone,
    pub(super) invite: Request,
    /// When the core knows where it goes.
    pub at: i64,
}

/// One phone that is tried.
#[derive(Debug)]
pub struct Branch {
    pub(super) phone: &'static Phone,
    pub(super) invite: Request,
}

impl Call {
    /// Somebody calls: the INVITE passes the edge and comes to the core, which looks up where it goes.
    pub fn begin(id: String, at: i64, caller: &'static Phone, user: &str) -> Self {
        let mut story = Story::new(id);
        let id = &story.id;
        let mut invite = Request {
            method: "INVITE",
            uri: format!("sip:{user}@example.com"),
            from: format!("<sip:{}@example.com>;tag=a{id}", caller.user),
            to: format!("<sip:{user}@example.com>"),
            call_id: format!("{id}@{}", caller.node.host.split(':').next().unwrap_or_default()),
            cseq: 1,
            headers: vec![format!("Contact: <{}>", caller.uri()), format!("User-Agent: {}", caller.agent)],
            body: sdp(caller),
            way: vec![caller.node],
            vias: Vec::new(),
        };
        let trying = Answer { status: 100, ..Answer::default() };
        let at = story.pass(at, &mut invite, EDGE);
        story.answer(at, &invite, &trying, caller.node);
        let at = story.pass(at + MS, &mut invite, CORE);
        story.answer(at, &invite, &trying, EDGE);
        Self { story, caller, invite, at }
    }

    pub fn end(self) -> Story {
        self.story
    }

    /// The core asks where the call goes; without an answer it waits for ten seconds.
    pub fn look_up(mut self, status: Option<u16>) -> Self {
        let Self { story, invite, at, .. } = &mut self;
        let user = invite.uri.trim_start_matches("sip:").split('@').next().unwrap_or_default();
        let path = format!("/v1/route?callId={}&to={user}", invite.call_id);
        let url = format!("http://{LOOK_UP}{path}");
        let nth = format!("X-Request-Id: route-{}", story.id);
        let asked = http(&format!("GET {path} HTTP/1.1"), &[&format!("Host: {LOOK_UP}"), &nth], "");
        story.log(*at, Log::Core, "GET", [CORE_HTTP, &url], &asked);
        let Some(status) = status else {
            *at += 10 * SECOND;
            return self;
        };
        *at += 31 * MS;
        let (said, body) =
            if status == 200 { ("OK", "{\"known\": true}") } else { ("Not Found", "{\"known\": false}") };
        let answer = http(&format!("HTTP/1.1 {status} {said}"), &[&nth], body);
        story.log(*at, Log::Core, &status.to_string(), [&url, CORE_HTTP], &answer);
        *at += MS;
        self
    }

    /// The core has a push sent to a sleeping phone; the gateway accepts it.
    pub fn push(&mut self, at: i64, phone: &Phone) {
        let (call, id) = (&self.invite.call_id, &self.story.id);
        let (url, nth) = (format!("http://{PUSHER}/v1/push"), format!("X-Request-Id: push-{id}"));
        let body =
            format!("{{\"callId\": \"{call}\", \"user\": \"{}\", \"deviceId\": \"{}\"}}", phone.user, phone.instance());
        let asked = http("POST /v1/push HTTP/1.1", &[&format!("Host: {PUSHER}"), &nth], &body);
        let path = format!("/3/device/{}", phone.token.unwrap_or_default());
        let (gateway, apns) = (format!("https://{APNS}{path}"), format!("apns-id: push-{id}"));
        let pushed = format!("{{\"aps\": {{}}, \"callId\": \"{call}\", \"from\": \"{}\"}}", self.caller.user);
        let headers = [&*format!("Host: {APNS}"), "apns-push-type: voip", "apns-topic: com.example.phone.voip", &apns];
        let pushed = http(&format!("POST {path} HTTP/1.1"), &headers, &pushed);
        let done = http("HTTP/1.1 200 OK", &[&nth], "{\"accepted\": true}");
        let accepted = http("HTTP/1.1 200 OK", &[&apns], "");
        let pusher = format!("http://{PUSHER}");
        let story = &mut self.story;
        for (after, log) in [(0, Log::Core), (2, Log::Push)] {
            story.log(at + after * MS, log, "POST", [CORE_HTTP, &url], &asked);
        }
        story.log(at + 10 * MS, Log::Push, "PUSH", [&pusher, &gateway], &pushed);
        story.log(at + 202 * MS, Log::Push, "200", [&gateway, &pusher], &accepted);
        for (after, log) in [(204, Log::Push), (206, Log::Core)] {
            story.log(at + after * MS, log, "200", [&url, CORE_HTTP], &done);
        }
    }

    /// A phone that was woken registers anew; gives when it is done.
    pub fn wake(&mut self, at: i64, phone: &Phone) -> i64 {
        register(&mut self.story, at, phone)
    }

    /// A phone is tried; it answers at once.
    fn invite(&mut self, at: i64, phone: &'static Phone) -> (i64, Branch) {
        let mut invite = Request { uri: phone.uri(), ..self.invite.clone() };
        invite.headers.extend(ROUTE.map(str::to_owned));
        let at = self.story.pass(at, &mut invite, phone.node);
        (at, Branch { phone, invite })
    }

    /// A phone rings, and the caller hears of it.
    pub fn ring(&mut self, at: i64, phone: &'static Phone) -> Branch {
        let (at, branch) = self.invite(at, phone);
        let ringing = self.said(&branch, 180);
        self.story.answer(at + 50 * MS, &branch.invite, &ringing, self.caller.node);
        branch
    }

    /// A phone refuses without ringing.
    pub fn refused_by(&mut self, at: i64, phone: &'static Phone, status: u16) -> i64 {
        let (at, branch) = self.invite(at, phone);
        let refusal = self.said(&branch, status);
        self.story.refuse(at + 50 * MS, &branch.invite, &refusal, CORE)
    }

    /// A phone refuses that rang.
    pub fn declined_by(&mut self, at: i64, branch: &Branch, status: u16) -> i64 {
        let refusal = self.said(branch, status);
        self.story.refuse(at, &branch.invite, &refusal, CORE)
    }

    /// The core refuses the call.
    pub fn refuse(&mut self, at: i64, status: u16) {
        let refusal = Answer { status, tag: format!("c{}", self.story.id), ..Answer::default() };
        self.story.refuse(at, &self.invite, &refusal, self.caller.node);
    }

    /// A phone answers, and the caller acknowledges; gives when that is there.
    pub fn answer(&mut self, at: i64, branch: &Branch) -> i64 {
        let answer = self.said(branch, 200);
        let at = self.story.answer(at, &branch.invite, &answer, self.caller.node);
        let mut ack = self.within(branch, "ACK", 1, true);
        self.story.pass_all(at, &mut ack, &[EDGE, CORE, branch.phone.node])
    }

    /// A request of one side of a dialog, not sent yet.
    pub(super) fn within(&self, branch: &Branch, method: &'static str, cseq: u32, by_caller: bool) -> Request {
        let (caller, phone) = (self.caller, branch.phone);
        let callee = format!("{};tag={}", self.invite.to, self.tag(phone));
        let (own, other) = (self.invite.from.clone(), callee);
        let (from, to) = if by_caller { (own, other) } else { (other, own) };
        Request {
            method,
            uri: if by_caller { phone.uri() } else { caller.uri() },
            from,
            to,
            cseq,
            headers: Vec::new(),
            body: String::new(),
            way: vec![if by_caller { caller.node } else { phone.node }],
            vias: Vec::new(),
            ..self.invite.clone()
        }
    }

    pub(super) fn tag(&self, phone: &Phone) -> String {
        format!("b{}-{}", self.story.id, phone.nth)
    }

    /// What a phone says to an INVITE.
    pub(super) fn said(&self, branch: &Branch, status: u16) -> Answer {
        let phone = branch.phone;
        let mut headers = ROUTE.map(str::to_owned).to_vec();
        headers.push(format!("Contact: {}", phone.contact()));
        headers.push(format!("User-Agent: {}", phone.agent));
        let body = if status == 200 { sdp(phone) } else { String::new() };
        Answer { status, tag: self.tag(phone), headers: if status < 300 { headers } else { Vec::new() }, body }
    }
}

fn sdp(phone: &Phone) -> String {
    let host = phone.node.host.split(':').next().unwrap_or_default();
    format!(
        "v=0\r\no=- 1000 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}
