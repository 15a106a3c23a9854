//! Facts of REST, push and media records: HTTP text or bare JSON, with the URL in the header of the record.

use super::{ExchangeResult, Facts, PushFacts};
use crate::address::Address;
use crate::keys::{self, CALL, Found};
use crate::kind::{Kind, status_code};
use crate::rest::{self, HttpStart, Part, Scalar};
use crate::settings::{KeyRule, Pointer, Settings};
use crate::sip::Faults;

/// JSON values one behind the other that are looked at.
const MOST_VALUES: usize = 8;
/// Bytes of JSON that are read of one record.
const MOST_JSON: usize = 1 << 20;
/// Headers by which an answer is known to be that of a request.
const IDS: [&[u8]; 3] = [b"x-request-id", b"x-correlation-id", b"apns-id"];
/// Ids of one message that are kept, and their bytes.
const MOST_IDS: usize = 4;
const LONGEST_ID: usize = 256;
/// A longer value at a user's place is a token; those of FCM and APNs are 64 bytes and more.
const LONGEST_USER: usize = 63;

pub(super) fn read(
    kind: Kind,
    method: &str,
    source: &str,
    destination: &str,
    body: &[u8],
    settings: &Settings,
) -> Facts {
    let mut facts = Facts::new(kind, method);
    let mut reading = Reading::new(settings, kind);
    if let Some(status) = status_code(method) {
        (facts.response, facts.status) = (true, Some(status));
        facts.method.clear();
    }
    let parts = rest::parts(body);
    for part in &parts {
        match part {
            Part::Http(http) => {
                start(http.start, &mut facts);
                for header in http.headers.clone() {
                    reading.header(&header, &mut facts);
                }
                reading.values(&http.body, http.at);
            }
            Part::Bare { body, at } => reading.values(body, *at),
        }
    }
    let url = if facts.response { source } else { destination };
    let target = facts.target.take().or_else(|| rest::path_and_query(url).map(str::to_owned));
    reading.query(target.as_deref().unwrap_or(""));
    facts.target = target;
    let bare = !parts.iter().any(|part| matches!(part, Part::Http(_)));
    reading.finish(method, url, bare, facts)
}

/// The first request names method and target; a response behind it is its result, one alone is the message.
fn start(start: HttpStart<'_>, facts: &mut Facts) {
    match start {
        HttpStart::Request { method, target } => {
            if facts.target.is_none() {
                method.clone_into(&mut facts.method);
                facts.target = Some(target.to_owned());
            }
        }
        HttpStart::Response { status, reason } => {
            if facts.status.is_none_or(|old| old < 200 || old == status) {
                facts.status = Some(status);
                reason.clone_into(&mut facts.reason);
            }
            if facts.target.is_none() {
                facts.response = true;
                facts.method.clear();
            }
        }
    }
}

struct Reading<'s> {
    settings: &'s Settings,
    faults: Faults,
    keys: Found<'s>,
    call_id: Option<String>,
    /// What a status pointer says of the answer.
    result: Option<ExchangeResult>,
    push: PushFacts,
    pointers: Vec<(Place<'s>, &'s Pointer)>,
    /// Bytes of JSON that may still be read.
    left: usize,
}

#[derive(Clone, Copy)]
enum Place<'s> {
    CallId,
    Status,
    Token,
    Device,
    User,
    Own(&'s KeyRule),
}

impl<'s> Reading<'s> {
    fn new(settings: &'s Settings, kind: Kind) -> Self {
        let mut pointers = Vec::with_capacity(32);
        pointers.extend(settings.call_ids.iter().map(|p| (Place::CallId, p)));
        if kind != Kind::Media {
            pointers.extend(settings.statuses.iter().map(|p| (Place::Status, p)));
        }
        if kind == Kind::Push {
            pointers.extend(settings.tokens.iter().map(|p| (Place::Token, p)));
            pointers.extend(settings.devices.iter().map(|p| (Place::Device, p)));
            pointers.extend(settings.users.iter().map(|p| (Place::User, p)));
        }
        let own = settings.key.iter().filter_map(|rule| Some((Place::Own(rule), rule.json.as_ref()?)));
        pointers.extend(own);
        Self {
            settings,
            faults: Faults::default(),
            keys: Found::new(settings),
            call_id: None,
            result: None,
            push: PushFacts::default(),
            pointers,
            left: MOST_JSON,
        }
    }

    fn header(&mut self, header: &crate::sip::Header<'_>, facts: &mut Facts) {
        let known = header.known();
        self.keys.header(header, known);
        let name = header.name_bytes();
        if self.settings.call_headers.iter().any(|h| h.as_bytes().eq_ignore_ascii_case(name)) {
            self.call(&header.value());
        }
        if IDS.iter().any(|id| id.eq_ignore_ascii_case(name)) {
            let id = header.value();
            let id = id.trim();
            let new = !facts.ids.iter().any(|known| known.eq_ignore_ascii_case(id));
            if new && !id.is_empty() && id.len() <= LONGEST_ID && facts.ids.len() < MOST_IDS {
                facts.ids.push(id.to_ascii_lowercase());
            }
        }
        if facts.kind == Kind::Push && name.eq_ignore_ascii_case(b"apns-topic") {
            self.push.provider.get_or_insert_with(|| "apns".into());
        }
    }

    /// `at` is where they stand in the message; in a body that was sent in chunks, about where.
    fn values(&mut self, mut text: &[u8], mut at: usize) {
        let pointers: Vec<_> = self.pointers.iter().map(|(_, pointer)| *pointer).collect();
        for _ in 0..MOST_VALUES {
            let trimmed = text.trim_ascii_start();
            at += text.len() - trimmed.len();
            if self.left == 0 || !matches!(trimmed.first(), Some(b'{' | b'[')) {
                return;
            }
            let picked = rest::pick(trimmed, self.left, &pointers);
            for (nth, value) in picked.values.into_iter().enumerate() {
                if let Some(value) = value {
                    self.value(self.pointers[nth].0, value);
                }
            }
            self.faults.stand_at(at);
            if let Some(fault) = picked.fault {
                self.faults.note(fault);
            }
            let Some(len) = picked.len else {
                self.left = 0;
                return;
            };
            self.left -= len;
            at += len;
            text = &trimmed[len..];
        }
    }

    fn value(&mut self, place: Place<'s>, value: Scalar) {
        let first = |held: &mut Option<String>, value: Scalar| {
            let text = value.into_text().filter(|text| !text.is_empty());
            if held.is_none() {
                *held = text;
            }
        };
        match place {
            Place::CallId => {
                if let Some(text) = value.into_text() {
                    self.keys.add(CALL, &text);
                    self.call(&text);
                }
            }
            Place::Status => self.result = self.result.take().or_else(|| result_of(value)),
            Place::Token => first(&mut self.push.token, value),
            Place::Device => first(&mut self.push.device, value),
            Place::User => match value {
                Scalar::Text(text) if text.len() > LONGEST_USER => {
                    first(&mut self.push.token, Scalar::Text(text));
                }
                value => first(&mut self.push.user, value),
            },
            Place::Own(rule) => {
                if let Some(text) = value.into_text() {
                    self.keys.add_by(rule, &text);
                }
            }
        }
    }

    fn query(&mut self, target: &str) {
        for (name, value) in rest::query(target) {
            if self.settings.call_queries.iter().any(|query| *query == name) {
                self.keys.add(CALL, &value);
                // What stands in the URL was asked for; a body may name other calls too.
                if keys::normal(&value).is_some() {
                    self.call_id = Some(value.trim().to_owned());
                }
            }
            for rule in self.settings.key.iter().filter(|rule| rule.query.as_deref() == Some(&*name)) {
                self.keys.add_by(rule, &value);
            }
        }
    }

    /// The first that can be one names the call.
    fn call(&mut self, written: &str) {
        if self.call_id.is_none() && keys::normal(written).is_some() {
            let trimmed = written.trim().trim_matches(['"', '<', '>']);
            self.call_id = Some(trimmed.to_owned());
        }
    }

    fn finish(mut self, method: &str, url: &str, bare: bool, mut facts: Facts) -> Facts {
        if facts.response {
            // The status of the header or of the status line is the message's own.
        } else if bare {
            facts.status = self.result.as_ref().and_then(|result| result.status);
            facts.result = self.result.take();
        } else if facts.status.is_some() {
            facts.result = Some(ExchangeResult { status: facts.status, reason: facts.reason.clone() });
        }
        if facts.kind == Kind::Push {
            "PUSH".clone_into(&mut facts.method);
            facts.push = Some(self.push(method, url, facts.target.as_deref().unwrap_or("")));
        }
        facts.keys = self.keys.beyond(self.call_id.as_deref());
        facts.call_id = self.call_id;
        facts.faults = self.faults.into_list();
        facts
    }

    fn push(&mut self, method: &str, url: &str, target: &str) -> PushFacts {
        let mut push = std::mem::take(&mut self.push);
        let path = target.split('?').next().unwrap_or("");
        let provider = provider_of_method(method)
            .or_else(|| provider_of_host(&Address::read(url).host))
            .or_else(|| path.starts_with("/3/device/").then_some("apns"));
        push.provider = provider.map(str::to_owned).or(push.provider);
        if let Some(token) = path.strip_prefix("/3/device/").filter(|token| !token.is_empty()) {
            push.token = Some(token.to_owned());
        } else if push.provider.as_deref() == Some("webpush") && push.token.is_none() && url.contains("://") {
            // The subscription's own URL names the device (RFC 8030; RFC 8599 for pn-prid).
            push.token = Some(url.to_owned());
        }
        push
    }
}

/// None where the value is no status at all, such as `"ringing"`.
fn result_of(value: Scalar) -> Option<ExchangeResult> {
    let number = match value {
        Scalar::Integer(number) => number,
        Scalar::Text(text) => text.trim().parse().ok()?,
        Scalar::Other => return None,
    };
    let status = u16::try_from(number).ok().filter(|status| (100..600).contains(status));
    Some(ExchangeResult { status, reason: String::new() })
}

fn provider_of_method(method: &str) -> Option<&'static str> {
    ["apns", "fcm", "hms", "webpush"].into_iter().find(|name| name.eq_ignore_ascii_case(method))
}

fn provider_of_host(host: &str) -> Option<&'static str> {
    let ends = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if ends("web.push.apple.com") || ends("push.services.mozilla.com") || ends("notify.windows.com") {
        Some("webpush")
    } else if ends("push.apple.com") {
        Some("apns")
    } else if ends("fcm.googleapis.com") {
        Some("fcm")
    } else if ends("hicloud.com") || ends("cloud.huawei.com") {
        Some("hms")
    } else {
        let label = host.split(['.', '-']).next().unwrap_or("");
        provider_of_method(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(kind: Kind, method: &str, destination: &str, body: &str) -> Facts {
        read(kind, method, "http://192.0.2.1:8080", destination, body.as_bytes(), &Settings::default())
    }

    #[test]
    fn an_exchange_logged_as_json_has_a_result() {
        let url = "http://192.0.2.9:9070/v1/route?callId=1-16821%40192.0.2.1&to=bob";
        let body = r#"{"callId":"1-16821@192.0.2.1","status":200,"response":{"route":"local","status":404}}"#;
        let facts = read_at(Kind::Rest, "GET", url, body);
        assert_eq!((facts.method.as_str(), facts.response, facts.status), ("GET", false, Some(200)));
        assert_eq!(facts.call_id.as_deref(), Some("1-16821@192.0.2.1"));
        assert_eq!(facts.target.as_deref(), Some("/v1/route?callId=1-16821%40192.0.2.1&to=bob"));
        assert_eq!(facts.result, Some(ExchangeResult { status: Some(200), reason: String::new() }));
        assert_eq!((facts.keys, facts.faults, facts.push), (Vec::new(), Vec::new(), None));
    }

    #[test]
    fn a_status_that_is_none_says_that_no_answer_came() {
        let result = |body| read_at(Kind::Rest, "GET", "-", body).result.map(|result| result.status);
        assert_eq!(result(r#"{"status":0}"#), Some(None));
        assert_eq!(result(r#"{"statusCode":-1}"#), Some(None));
        assert_eq!(result(r#"{"response":{"status":"503"}}"#), Some(Some(503)));
        assert_eq!(result(r#"{"result":{"status":204}}"#), Some(Some(204)));
        assert_eq!(result(r#"{"status":"ringing"}"#), None);
        assert_eq!(result(r#"{"a":1}{"status":201}"#), Some(Some(201)));
        assert_eq!(result("status=200"), None);
    }

    #[test]
    fn http_text_tells_request_and_result() {
        let body = "POST /v1/calls HTTP/1.1\r\nHost: api.example.com\r\nX-Call-ID: c1-4711@a\r\n\r\n{\"status\":\"new\"}\n\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\n\r\n{\"callId\":\"other-call@a\"}";
        let facts = read_at(Kind::Rest, "POST", "https://api.example.com/other", body);
        assert_eq!((facts.method.as_str(), facts.response, facts.status), ("POST", false, Some(503)));
        assert_eq!(facts.target.as_deref(), Some("/v1/calls"));
        assert_eq!(facts.call_id.as_deref(), Some("c1-4711@a"));
        assert_eq!(facts.keys, [keys::Key::new("call", "other-call@a")]);
        let result = ExchangeResult { status: Some(503), reason: "Service Unavailable".into() };
        assert_eq!(facts.result, Some(result));
    }

    #[test]
    fn a_response_of_its_own_is_a_response() {
        for (method, body) in
            [("200", "{\"status\":1}"), ("GET", "HTTP/1.1 200 OK\n\nok"), ("200", "HTTP/1.1 200 OK\n\nok")]
        {
            let facts =
                read(Kind::Rest, method, "https://a.example.com/v1", "-", body.as_bytes(), &Settings::default());
            assert_eq!((facts.method.as_str(), facts.response, facts.status), ("", true, Some(200)), "{method} {body}");
            assert_eq!((facts.target.as_deref(), facts.result), (Some("/v1"), None));
        }
    }

    #[test]
    fn a_json_body_that_breaks_off_is_told_where_it_stands() {
        let facts = read_at(Kind::Rest, "POST", "-", "\n {\"callId\":\"c1-4711@a\", ");
        assert_eq!(facts.call_id.as_deref(), Some("c1-4711@a"));
        assert_eq!(facts.faults, [super::super::Fault { what: "json".into(), at: 2 }]);
    }

    #[test]
    fn pushes_tell_provider_and_token() {
        let long = "t".repeat(152);
        let push = |method: &str, destination: &str, body: &str| {
            let facts = read_at(Kind::Push, method, destination, body);
            assert_eq!(facts.method, "PUSH");
            let push = facts.push.unwrap();
            (push.provider.unwrap_or_default(), push.token.unwrap_or_default(), push.user.unwrap_or_default())
        };
        let owned = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(push("APNS", "-", "POST /3/device/ab12 HTTP/2\napns-topic: x\n\n{}"), owned("apns", "ab12", ""));
        assert_eq!(push("PUSH", "https://api.sandbox.push.apple.com/3/device/ab12", "{}"), owned("apns", "ab12", ""));
        assert_eq!(
            push("POST", "https://fcm.googleapis.com/v1/projects/x/messages:send", r#"{"message":{"token":"f1:A"}}"#),
            owned("fcm", "f1:A", "")
        );
        for gateway in ["https://fcm.example.com/send", "https://u@FCM.example.com:443", "fcm.example.com:443"] {
            assert_eq!(push("PUSH", gateway, r#"{"to":"dave"}"#), owned("fcm", "", "dave"), "{gateway}");
        }
        assert_eq!(push("FCM", "-", &format!(r#"{{"to":"{long}"}}"#)), owned("fcm", &long, ""));
        assert_eq!(
            push(
                "PUSH",
                "https://push-api.cloud.huawei.com/v1/1/messages:send",
                r#"{"message":{"token":["h1","h2"]}}"#
            ),
            owned("hms", "h1", "")
        );
        let subscription = "https://updates.push.services.mozilla.com/wpush/v2/gAAA";
        assert_eq!(push("WEBPUSH", subscription, ""), owned("webpush", subscription, ""));
        assert_eq!(push("PUSH", "-", ""), owned("", "", ""));
    }

    #[test]
    fn calls_and_keys_are_found_at_configured_pointers_headers_and_query_parameters() {
        let settings = r#"{"call_ids":["/meta/call"],"call_headers":["X-Leg"],"call_queries":["cid"],"key":[
            {"space":"ticket","json":"/meta/ticket"},
            {"space":"order","header":"X-Order"},
            {"space":"job","query":"job","match":"id-(\\d+)"}]}"#;
        let settings: Settings = serde_json::from_str(settings).unwrap();
        let body = "POST /v1?job=id-100200 HTTP/1.1\r\nX-Order: order-17\r\n\r\n{\"meta\":{\"call\":\"c1-4711@a\",\"ticket\":\"T-100200\"}}";
        for kind in [Kind::Rest, Kind::Push] {
            let facts = read(kind, "POST", "-", "https://api.example.com", body.as_bytes(), &settings);
            let keys: Vec<_> = facts.keys.iter().map(|key| (&*key.space, &*key.value)).collect();
            assert_eq!(facts.call_id.as_deref(), Some("c1-4711@a"), "{kind}");
            assert_eq!(keys, [("order", "order-17"), ("ticket", "T-100200"), ("job", "100200")], "{kind}");
        }
        for body in ["POST / HTTP/1.1\r\nX-Leg: c1-4711@a\r\n\r\n", "POST /v1?cid=c1-4711%40a HTTP/1.1\r\n\r\n"] {
            let facts = read(Kind::Rest, "POST", "-", "-", body.as_bytes(), &settings);
            assert_eq!(facts.call_id.as_deref(), Some("c1-4711@a"), "{body}");
        }
    }

    #[test]
    fn a_media_report_belongs_to_its_call() {
        let facts = read_at(Kind::Media, "RTCP", "rtp:192.0.2.1:4000", r#"{"callId":"c1-4711@a","lost":3,"status":7}"#);
        assert_eq!((facts.method.as_str(), facts.call_id.as_deref(), facts.result), ("RTCP", Some("c1-4711@a"), None));
    }

    #[test]
    fn what_stands_in_chunks_is_read() {
        let body =
            "POST /v1/send HTTP/1.1\nTransfer-Encoding: chunked\n\n1d\n{\"data\":{\"callId\":\"c39@a\"}}\n\n0\n\n";
        let facts = read_at(Kind::Push, "POST", "https://fcm.example.com", body);
        assert_eq!(facts.call_id.as_deref(), Some("c39@a"));
    }
}
