//! Facts of REST, push and media records: HTTP text or bare JSON, with the URL in the header of the record.

use super::{ExchangeResult, Facts, Faults, Pointer, PushFacts, Settings};
use crate::keys::{self, CALL, Found};
use crate::kind::{Kind, status_code};
use crate::rest::{self, HttpStart, Part, Scalar};

/// JSON values one behind the other that are looked at.
const MOST_VALUES: usize = 8;
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
                reading.values(http.body, at(body, http.body));
            }
            Part::Bare(bytes) => reading.values(bytes, at(body, bytes)),
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
            let interim = facts.status.is_some_and(|old| old < 200);
            if facts.status.is_none() || interim {
                facts.status = Some(status);
                reason.clone_into(&mut facts.reason);
            }
            facts.response = facts.target.is_none();
            if facts.response {
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
}

#[derive(Clone, Copy)]
enum Place<'s> {
    CallId,
    Status,
    Token,
    Device,
    User,
    Own(&'s keys::Rule),
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
        }
    }

    fn header(&mut self, header: &crate::sip::Header<'_>, facts: &mut Facts) {
        let known = header.known();
        self.keys.header(header, known);
        let name = header.name_bytes();
        if self.settings.call_headers.iter().any(|h| h.as_bytes().eq_ignore_ascii_case(name)) {
            self.call(&header.value());
        }
        if facts.kind == Kind::Push && name.eq_ignore_ascii_case(b"apns-topic") {
            self.push.provider.get_or_insert_with(|| "apns".into());
        }
    }

    fn values(&mut self, mut text: &[u8], mut at: usize) {
        let pointers: Vec<_> = self.pointers.iter().map(|(_, pointer)| *pointer).collect();
        for _ in 0..MOST_VALUES {
            let trimmed = text.trim_ascii_start();
            at += text.len() - trimmed.len();
            if !matches!(trimmed.first(), Some(b'{' | b'[')) {
                return;
            }
            let picked = rest::pick(trimmed, &pointers);
            for (nth, value) in picked.values.into_iter().enumerate() {
                if let Some(value) = value {
                    self.value(self.pointers[nth].0, value);
                }
            }
            self.faults.stand_at(at);
            if let Some(fault) = picked.fault {
                self.faults.note(fault);
            }
            let Some(len) = picked.len else { return };
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
            .or_else(|| rest::host(url).and_then(|host| provider_of_host(&host)))
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

/// Where a part begins in the record it was cut from.
fn at(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}
