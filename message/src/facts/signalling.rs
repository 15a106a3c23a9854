//! Facts of a SIP message: one walk over its headers, each read only where something asks for it.

use std::borrow::Cow;
use std::str::FromStr;

use super::{Facts, SipFacts};
use crate::keys::{self, Found};
use crate::kind::Kind;
use crate::settings::Settings;
use crate::sip::Faults;
use crate::sip::{self, HEADER_BLOCK, Header, Headers, Name, NameAddr, StartLine, Uri, Via};

/// A list of more elements is hostile; the rest is told and left out.
const MOST: usize = 128;
/// A request gives a reason or two.
const MOST_REASONS: usize = 16;
/// Line ends are counted in bodies up to here.
const MOST_COUNTED: usize = 1 << 20;
/// Bit of `seen`: a Content-Length was there.
const LENGTH: u8 = 1 << 6;

pub(super) fn read(method: &str, body: &[u8], settings: &Settings) -> Facts {
    let mut facts = Facts::new(Kind::Sip, method);
    let mut faults = Faults::default();
    if body.len() <= HEADER_BLOCK && body.trim_ascii().is_empty() {
        faults.note("empty");
        facts.faults = faults.into_list();
        return facts;
    }
    let mut headers = Headers::of(body);
    let first = headers.start_text();
    let start = StartLine::read(&first, &mut faults);
    let mut reading = Reading { faults, ..Reading::new(settings) };
    reading.start(start, &mut facts);
    for header in headers.by_ref() {
        reading.header(&header, &mut facts);
    }
    reading.finish(start, &headers, body, facts)
}

struct Reading<'a, 's> {
    faults: Faults,
    sip: SipFacts,
    keys: Found<'s>,
    /// Headers seen that have one value, a bit each.
    seen: u8,
    /// Which header the identity is of: the least counts.
    identity: u8,
    cseq_method: Option<Cow<'a, str>>,
    content_type: Option<Cow<'a, str>>,
    content_length: Option<usize>,
    server: Option<String>,
}

impl<'a, 's> Reading<'a, 's> {
    fn new(settings: &'s Settings) -> Self {
        Self {
            faults: Faults::default(),
            sip: SipFacts::default(),
            keys: Found::new(settings),
            seen: 0,
            identity: u8::MAX,
            cseq_method: None,
            content_type: None,
            content_length: None,
            server: None,
        }
    }

    fn start(&mut self, start: StartLine<'_>, facts: &mut Facts) {
        match start {
            StartLine::Request { method, uri, .. } => {
                method.clone_into(&mut facts.method);
                self.sip.request_uri = Some(self.request_uri(uri));
            }
            StartLine::Status { code, reason, .. } => {
                facts.response = true;
                facts.status = code;
                reason.clone_into(&mut facts.reason);
                facts.method.clear();
            }
            StartLine::Unreadable => {}
        }
    }

    /// Neither angle brackets, blanks nor headers belong into it (RFC 3261, 7.1 and 19.1.1).
    fn request_uri(&mut self, text: &str) -> Uri {
        let bare = text.trim_matches(['<', '>']);
        let mut faults = Faults::default();
        let uri = Uri::read(bare, &mut faults);
        let behind_user = bare.split_once('@').map_or(bare, |(_, rest)| rest);
        let headers = matches!(uri.scheme.as_str(), "sip" | "sips") && behind_user.contains('?');
        if bare.len() != text.len() || headers {
            faults.note("uri");
        }
        for fault in faults.into_list() {
            self.faults.note(if fault.what == "uri" { "request_uri" } else { &fault.what });
        }
        Uri { text: text.to_owned(), ..uri }
    }

    fn header(&mut self, header: &Header<'a>, facts: &mut Facts) {
        self.faults.stand_at(header.range.start);
        let known = header.known();
        if known.is_none() {
            self.check_name(header);
        }
        let value = || header.value();
        match known {
            Some(Name::Via) => self.vias(&value()),
            Some(Name::From) if self.first(0) => self.sip.from = Some(sip::name_addr(&value(), &mut self.faults)),
            Some(Name::To) if self.first(1) => self.sip.to = Some(sip::name_addr(&value(), &mut self.faults)),
            Some(Name::CallId) if self.first(2) => self.call_id(&value(), facts),
            Some(Name::CSeq) if self.first(3) => self.cseq(value()),
            Some(Name::MaxForwards) if self.first(4) => self.max_forwards(&value()),
            Some(Name::ContentLength) => self.length(&value()),
            Some(Name::Contact) => self.contacts(&value()),
            Some(Name::RecordRoute) => addresses(&value(), &mut self.sip.record_routes, &mut self.faults),
            Some(Name::Route) => addresses(&value(), &mut self.sip.routes, &mut self.faults),
            Some(Name::ContentType) if self.first(5) => self.content_type = Some(value()),
            Some(Name::Expires) if self.sip.expires.is_none() => self.sip.expires = self.number(&value(), "expires"),
            Some(Name::UserAgent) if self.sip.user_agent.is_none() => self.sip.user_agent = Some(value().into_owned()),
            Some(Name::Server) if self.server.is_none() => self.server = Some(value().into_owned()),
            Some(Name::Reason) if self.sip.reasons.len() < MOST_REASONS => self.sip.reasons.push(value().into_owned()),
            Some(Name::ReferredBy) if self.sip.referred_cid.is_none() => {
                self.sip.referred_cid = sip::parameter(&value(), "cid").map(Cow::into_owned);
            }
            Some(Name::AssertedIdentity) => self.identity(&value(), 0),
            Some(Name::RemotePartyId) => self.identity(&value(), 1),
            Some(Name::PreferredIdentity) => self.identity(&value(), 2),
            Some(Name::HistoryInfo) => self.history(&value()),
            Some(Name::Diversion) => {
                let mut from = Vec::new();
                addresses(&value(), &mut from, &mut self.faults);
                let room = MOST_REASONS.saturating_sub(self.sip.diverted.len());
                self.sip.diverted.extend(from.into_iter().map(|address| address.uri.user).take(room));
            }
            Some(Name::Replaces) if self.sip.replaces.is_none() => self.sip.replaces = sip::DialogId::read(&value()),
            Some(Name::ReferTo) if self.sip.refer_to.is_none() => {
                self.sip.refer_to = Some(sip::name_addr(&value(), &mut self.faults));
            }
            Some(Name::SessionExpires) if self.sip.session_expires.is_none() => {
                self.sip.session_expires = digits(value().split(';').next().unwrap_or("").trim());
            }
            Some(Name::Event) if self.sip.event.is_none() => {
                let value = value();
                self.sip.event = Some(value.split(';').next().unwrap_or("").trim().to_owned());
                self.sip.event_id = sip::parameter(&value, "id").and_then(|id| digits(&id));
            }
            Some(Name::SessionId) if self.sip.session_id.is_none() => {
                let value = value();
                let (local, remote) = keys::session_id(&value);
                self.sip.session_id = Some((local.to_owned(), remote.map(Cow::into_owned)));
            }
            Some(Name::Date) if !value().ends_with("GMT") => self.faults.note("date"),
            Some(Name::RetryAfter) => {
                let value = value();
                self.number(value.split([' ', ';', '(']).next().unwrap_or(""), "retry_after");
            }
            Some(Name::Warning) => self.warning(&value()),
            _ => {}
        }
        self.keys.header(header, known);
    }

    fn finish(mut self, start: StartLine<'_>, headers: &Headers<'_>, bytes: &[u8], mut facts: Facts) -> Facts {
        let body = headers.body();
        self.faults.stand_at(body.start);
        if headers.cut() {
            self.faults.note("header_block");
        }
        for (bit, fault) in [(0, "missing_from"), (1, "missing_to"), (2, "missing_call_id"), (3, "missing_cseq")] {
            if self.seen & (1 << bit) == 0 {
                self.faults.note(fault);
            }
        }
        if self.sip.vias.is_empty() {
            self.faults.note("missing_via");
        }
        let cseq_method = self.cseq_method.take().unwrap_or_default();
        match start {
            StartLine::Status { .. } => facts.method = cseq_method.into_owned(),
            StartLine::Request { method, .. } if !cseq_method.is_empty() && cseq_method != method => {
                self.faults.note("cseq_mismatch");
            }
            _ => {}
        }
        let content = self.content(&bytes[body], headers.bare_lf());
        self.sip.sdp = sip::sdp_of(self.content_type.as_deref(), content);
        self.sip.fragment = fragment(self.content_type.as_deref(), content);
        self.sip.content_type = self.content_type.map(Cow::into_owned);
        if self.sip.user_agent.is_none() && facts.response {
            self.sip.user_agent = self.server;
        }
        self.sip.named = self.keys.take_named();
        facts.keys = self.keys.beyond(facts.call_id.as_deref());
        facts.sip = Some(Box::new(self.sip));
        facts.faults = self.faults.into_list();
        facts
    }

    /// The first of a header. One that cannot be read is nobody's fault here.
    fn identity(&mut self, value: &str, rank: u8) {
        let mut all = Vec::new();
        addresses(value, &mut all, &mut Faults::default());
        if let Some(first) = all.into_iter().next().filter(|_| rank < self.identity) {
            (self.identity, self.sip.identity) = (rank, Some(first.uri));
        }
    }

    /// True the first time; a second value of a single-valued header is told, the first counts.
    fn first(&mut self, bit: u8) -> bool {
        let first = self.seen & (1 << bit) == 0;
        self.seen |= 1 << bit;
        if !first {
            self.faults.note("repeated");
        }
        first
    }

    fn check_name(&mut self, header: &Header<'_>) {
        if header.name_bytes().is_empty() {
            self.faults.note("header_line");
        } else if !sip::is_token(header.name_bytes()) {
            self.faults.note("header_name");
        }
    }

    /// An index of more than one number is of somebody the call went on to, unless it says that this is the same person at
    /// another place (RFC 7044, 5).
    fn history(&mut self, value: &str) {
        for entry in sip::elements(value).take(MOST) {
            let address = sip::name_addr(entry, &mut self.faults);
            let further = address.param("index").is_some_and(|index| index.contains('.'));
            let same = ["rc", "np"].iter().any(|how| address.param(how).is_some());
            if further && !same && !address.uri.user.is_empty() {
                self.sip.forwarded_to = Some(address.uri.user);
            }
        }
    }

    fn vias(&mut self, value: &str) {
        for (nth, element) in sip::elements(value).enumerate() {
            if nth == MOST || self.sip.vias.len() == MOST {
                return self.faults.note("too_many");
            }
            let via = Via::read(element, &mut self.faults);
            if !via.host.is_empty() {
                self.sip.vias.push(via);
            }
        }
    }

    /// An element's own `expires` goes up to 2^32 - 1 (RFC 3261, 20.10 and 20.19).
    fn contacts(&mut self, value: &str) {
        let before = self.sip.contacts.len();
        addresses(value, &mut self.sip.contacts, &mut self.faults);
        let mut seconds = self.sip.contacts[before..].iter().filter_map(|contact| contact.param("expires"));
        if seconds.any(|seconds| digits::<u32>(seconds).is_none()) {
            self.faults.note("expires");
        }
    }

    fn call_id(&mut self, value: &str, facts: &mut Facts) {
        if value.is_empty() || value.contains([' ', '\t']) {
            self.faults.note("call_id");
        }
        facts.call_id = (!value.is_empty()).then(|| value.to_owned());
    }

    /// Less than 2^31 (RFC 3261, 8.1.1.5).
    fn cseq(&mut self, value: Cow<'a, str>) {
        let (number, method) = value.split_at(value.find([' ', '\t']).unwrap_or(value.len()));
        let method = method.trim().to_owned();
        self.sip.cseq = self.number(number, "cseq");
        if self.sip.cseq.is_some_and(|number| number >= 1 << 31) || method.is_empty() {
            self.faults.note("cseq");
        }
        self.cseq_method = Some(Cow::Owned(method));
    }

    fn max_forwards(&mut self, value: &str) {
        if self.number(value, "max_forwards").is_some_and(|hops| hops > 255) {
            self.faults.note("max_forwards");
        }
    }

    fn warning(&mut self, value: &str) {
        let code = value.split(' ').next().unwrap_or("");
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
            self.faults.note("warning");
        }
    }

    fn number(&mut self, value: &str, fault: &str) -> Option<u32> {
        let number = digits(value);
        if number.is_none() {
            self.faults.note(fault);
        }
        number
    }

    /// Lengths that contradict each other say nothing (RFC 4475, 3.3.9).
    fn length(&mut self, value: &str) {
        let length = digits(value);
        let again = self.seen & LENGTH != 0;
        self.seen |= LENGTH;
        self.content_length = length.filter(|_| !again || self.content_length == length);
        if self.content_length.is_none() {
            self.faults.note("content_length");
        }
    }

    /// The bytes of the body that the length declares. A log that writes LF for CRLF makes a body shorter.
    fn content<'b>(&mut self, body: &'b [u8], bare_lf: bool) -> &'b [u8] {
        let Some(length) = self.content_length else { return body };
        if length < body.len() {
            let extra = &body[length..];
            // The blank line that many loggers add is no fault of the message.
            if !extra.trim_ascii().is_empty() {
                self.faults.note("extra_bytes");
            }
            return &body[..length];
        }
        let line_ends = length - body.len();
        let counted = bare_lf && body.len() <= MOST_COUNTED;
        if line_ends > 0 && !(counted && memchr::memchr_iter(b'\n', body).count() == line_ends) {
            self.faults.note("content_length");
        }
        body
    }
}

/// A number of digits alone: no sign, no blank.
fn digits<T: FromStr>(value: &str) -> Option<T> {
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn addresses(value: &str, list: &mut Vec<NameAddr>, faults: &mut Faults) {
    for element in sip::elements(value) {
        if list.len() == MOST {
            return faults.note("too_many");
        }
        list.push(sip::name_addr(element, faults));
    }
}
/// The status in a fragment of a SIP response.
fn fragment(content_type: Option<&str>, body: &[u8]) -> Option<u16> {
    let kind = content_type?.get(..15)?;
    let line = body.strip_prefix(b"SIP/2.0 ").filter(|_| kind.eq_ignore_ascii_case("message/sipfrag"))?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok().filter(|status| (100..700).contains(status))
}
