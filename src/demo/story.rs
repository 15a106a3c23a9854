//! Messages on their way, and the lines that servers log of them.

use record::time::SECOND;

use super::network::{Log, Node};

pub const MS: i64 = SECOND / 1000;

/// One record: what a server logs after so many microseconds of a round.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: i64,
    pub log: Log,
    pub what: String,
    pub source: String,
    pub destination: String,
    pub text: String,
}

/// A request with the way that it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub headers: Vec<String>,
    pub body: String,
    /// Who has sent it so far, and whom it has come to.
    pub way: Vec<Node>,
    /// The last sender's first, as they stand in the message.
    pub vias: Vec<String>,
}

/// What is answered, beside what each answer has of its request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Of To.
    pub tag: String,
    pub headers: Vec<String>,
    pub body: String,
}

/// All that is logged of one call, or of one registration.
#[derive(Debug)]
pub struct Story {
    /// In no other story, of this round or another.
    pub id: String,
    pub lines: Vec<Line>,
    branches: u32,
}

impl Story {
    pub fn new(id: String) -> Self {
        Self { id, lines: Vec::new(), branches: 0 }
    }

    /// Sends a request on by one hop; gives when it is there.
    pub fn pass(&mut self, at: i64, request: &mut Request, to: Node) -> i64 {
        self.branches += 1;
        let branch = format!("z9hG4bK-{}-{}", self.id, self.branches);
        let from = request.way[request.way.len() - 1];
        let transport = from.transport.to_uppercase();
        request.vias.insert(0, format!("SIP/2.0/{transport} {};branch={branch};rport", from.host));
        request.way.push(to);
        self.again(at, request)
    }

    /// Sends it on by all of these hops.
    pub fn pass_all(&mut self, at: i64, request: &mut Request, nodes: &[Node]) -> i64 {
        nodes.iter().fold(at, |at, to| self.pass(at + MS, request, *to))
    }

    /// The same once more over its last hop, as whoever waits for an answer sends it.
    pub fn again(&mut self, at: i64, request: &Request) -> i64 {
        let [.., from, to] = request.way[..] else { return at };
        let left = format!("Max-Forwards: {}", 71_usize.saturating_sub(request.vias.len()));
        let mut headers = vec![left, format!("From: {}", request.from), format!("To: {}", request.to)];
        headers.push(format!("Call-ID: {}", request.call_id));
        headers.push(format!("CSeq: {} {}", request.cseq, request.method));
        headers.extend(request.headers.iter().cloned());
        let start = format!("{} {} SIP/2.0", request.method, request.uri);
        self.write(at, from, to, request.method, &sip(&start, &request.vias, &headers, &request.body))
    }

    /// Answers a request over all hops back to this node; gives when it is there.
    pub fn answer(&mut self, at: i64, request: &Request, answer: &Answer, until: Node) -> i64 {
        self.go_back(at, request, answer, until, false)
    }

    /// The same, and each hop acknowledges what it got (RFC 3261 17.1.1.3).
    pub fn refuse(&mut self, at: i64, request: &Request, answer: &Answer, until: Node) -> i64 {
        self.go_back(at, request, answer, until, true)
    }

    fn go_back(&mut self, at: i64, request: &Request, answer: &Answer, until: Node, acknowledge: bool) -> i64 {
        let tag = if answer.tag.is_empty() { String::new() } else { format!(";tag={}", answer.tag) };
        let to = if request.to.contains(";tag=") { request.to.clone() } else { format!("{}{tag}", request.to) };
        let mut headers = vec![format!("From: {}", request.from), format!("To: {to}")];
        headers.push(format!("Call-ID: {}", request.call_id));
        headers.push(format!("CSeq: {} {}", request.cseq, request.method));
        headers.extend(answer.headers.iter().cloned());
        let start = format!("SIP/2.0 {} {}", answer.status, reason(answer.status));
        let mut at = at;
        for (hop, ends) in request.way.windows(2).enumerate().rev() {
            let [to_node, from] = [ends[0], ends[1]];
            if from == until {
                break;
            }
            let vias = &request.vias[request.vias.len() - 1 - hop..];
            at = self.write(
                at + MS,
                from,
                to_node,
                &answer.status.to_string(),
                &sip(&start, vias, &headers, &answer.body),
            );
            if acknowledge {
                let hop = Request {
                    method: "ACK",
                    to: to.clone(),
                    headers: Vec::new(),
                    body: String::new(),
                    way: vec![to_node, from],
                    vias: vias[..1].to_vec(),
                    ..request.clone()
                };
                self.again(at + MS, &hop);
            }
        }
        at
    }

    /// A message between two SIP nodes: a line in the log of each that has one.
    fn write(&mut self, at: i64, from: Node, to: Node, what: &str, text: &str) -> i64 {
        // Servers stand beside each other, phones do not.
        let there = at + if from.log.is_some() && to.log.is_some() { 2 * MS } else { 11 * MS };
        for (at, log) in [(at, from.log), (there, to.log)] {
            if let Some(log) = log {
                self.log(at, log, what, [&from.url(), &to.url()], text);
            }
        }
        there
    }

    /// One line.
    pub fn log(&mut self, at: i64, log: Log, what: &str, [source, destination]: [&str; 2], text: &str) {
        let (source, destination) = (source.to_owned(), destination.to_owned());
        self.lines.push(Line { at, log, what: what.to_owned(), source, destination, text: text.to_owned() });
    }
}

fn sip(start: &str, vias: &[String], headers: &[String], body: &str) -> String {
    let vias: Vec<String> = vias.iter().map(|via| format!("Via: {via}")).collect();
    let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let head = [&[start.to_owned()], &vias[..], headers].concat().join("\r\n");
    format!("{head}\r\n{typed}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A request or an answer of HTTP.
pub fn http(start: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| [header, "\r\n"].concat()).collect();
    let typed = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    format!("{start}\r\n{headers}{typed}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        603 => "Decline",
        _ => "Server Internal Error",
    }
}
