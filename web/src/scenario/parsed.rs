//! The parsed view: header fields in groups, with tags, branches and Call-IDs that light up where they occur again.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use message::keys::Key;
use message::kind::Kind;
use message::logged::Message;
use message::sip::{Fault, NameAddr, Uri};
use percent_encoding::percent_decode_str;

use super::faults::{field_of, words};
use super::header::{Header, group, headers};
use super::text::{Look, Piece, Room, cost, mask_of, pieces};
use crate::params::encode;
use crate::zone::Zone;

/// A header value is shown up to here; the raw view and the file have the rest.
const LONGEST: usize = 4_000;
/// `<div><dt></dt><dd></dd></div>`
const MARKUP: usize = 32;
/// Bytes of a text that is looked for.
const MOST_SOUGHT: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    pub title: &'static str,
    pub fields: Vec<Field>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: String,
    pub value: Vec<Piece>,
    /// Where this is looked for; empty: it is nothing to look for.
    pub href: String,
    /// What is wrong with it, in words.
    pub faults: Vec<String>,
}

/// A text that lights up, and where it counts: behind `tag=`, or anywhere.
#[derive(Debug)]
struct Lit {
    text: Vec<u8>,
    colour: usize,
    behind: Option<&'static [u8]>,
}

pub fn sections(message: &Message, zone: Zone) -> Vec<Section> {
    let bytes = message.body();
    let (headers, mut more) = headers(bytes);
    let room = &mut Room::pane();
    let lit = lit(message, bytes, &headers);
    let mut sections =
        ["Dialog", "Identity", "Routing", "Rest"].map(|title| Section { title, fields: Vec::new() }).to_vec();
    if message.kind == Kind::Sip {
        sections[0].fields.extend(tags(message, room));
    } else {
        sections.insert(0, exchange(message, zone, room));
    }
    let at = sections.len() - 4;
    let faults: Vec<(Option<usize>, &Fault)> =
        message.facts.faults.iter().map(|fault| (field_of(fault, &headers), fault)).collect();
    // Tags stand behind the Call-ID and the CSeq, in whichever order these come.
    let (mut ahead, mut called) = (0, false);
    for (nth, header) in headers.into_iter().enumerate() {
        let group = at + group(&header.name);
        let Some(value) = value(message, bytes, &header, &lit, room) else {
            more += 1;
            continue;
        };
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let first = message.kind == Kind::Sip && (is("call-id") || is("cseq"));
        let place = match first {
            true if is("call-id") && !called => 0,
            true => ahead,
            false => sections[group].fields.len(),
        };
        ahead += usize::from(first);
        called |= is("call-id");
        let href = sought(&header, message, bytes).map_or(String::new(), |text| {
            let indexed = !["via", "user-agent", "server", "contact"].into_iter().any(is);
            if indexed { search(&text, zone) } else { search_near(&text, message, zone) }
        });
        let own = faults.iter().filter(|(at, _)| *at == Some(nth));
        let faults = own.map(|(_, fault)| words(fault)).take_while(|says| room.take(MARKUP + says.len())).collect();
        sections[group].fields.insert(place, Field { name: header.name, value, href, faults });
    }
    if more > 0 {
        let text = format!("{more} more header fields: see Raw");
        let value = vec![Piece { text, look: Look::Plain }];
        sections[at + 3].fields.push(Field { name: "…".into(), value, href: String::new(), faults: Vec::new() });
    }
    sections.retain(|section| !section.fields.is_empty());
    sections
}

/// The tags, as they were understood.
fn tags(message: &Message, room: &mut Room) -> Vec<Field> {
    let Some(sip) = &message.facts.sip else { return Vec::new() };
    let tag = |of: &Option<NameAddr>| of.as_ref()?.tag().map(str::to_owned);
    let fields = [("From tag", tag(&sip.from), Look::Mark(1)), ("To tag", tag(&sip.to), Look::Mark(3))];
    fields.into_iter().filter_map(|(name, text, look)| field(name, &text?, look, room)).collect()
}

/// What a REST or push record says.
fn exchange(message: &Message, zone: Zone, room: &mut Room) -> Section {
    let facts = &message.facts;
    let mut fields: Vec<Field> = field("Method", &facts.method, Look::Strong, room).into_iter().collect();
    let mut add = |name: &str, text: Option<&str>, href: &dyn Fn(&str) -> String| {
        let text = text.filter(|text| !text.is_empty());
        fields.extend(text.and_then(|text| Some(Field { href: href(text), ..field(name, text, Look::Plain, room)? })));
    };
    let (plain, known) = (|_: &str| String::new(), |text: &str| search(text, zone));
    let near = |text: &str| search_near(text, message, zone);
    let host = |text: &str| address(text).map_or(String::new(), near);
    add("Target", facts.target.as_deref(), &plain);
    add("From", Some(&message.source), &host);
    add("To", Some(&message.destination), &host);
    match &facts.result {
        Some(result) => {
            let text = result.status.map_or("no answer".to_owned(), |status| format!("{status} {}", result.reason));
            add("Result", Some(text.trim()), &plain);
        }
        None => {
            let text = facts.status.map(|status| format!("{status} {}", facts.reason));
            add("Status", text.as_deref().map(str::trim), &plain);
        }
    }
    if let Some(push) = &facts.push {
        add("Provider", push.provider.as_deref(), &plain);
    }
    add("Call-ID", facts.call_id.as_deref(), &known);
    if let Some(push) = &facts.push {
        add("User", push.user.as_deref(), &known);
        add("Device", push.device.as_deref(), &near);
        add("Token", push.token.as_deref(), &near);
    }
    for key in &facts.keys {
        add(&key.space, Some(&key.value), &known);
    }
    Section { title: if message.kind == Kind::Push { "Push" } else { "Exchange" }, fields }
}

/// None: there is no room for it.
fn field(name: &str, text: &str, look: Look, room: &mut Room) -> Option<Field> {
    if !room.take(MARKUP + name.len()) {
        return None;
    }
    let shown = cut(text.as_bytes());
    let (mut value, left) = pieces(shown, true, room);
    value.iter_mut().filter(|piece| piece.look == Look::Plain).for_each(|piece| piece.look = look);
    value.extend(more_of(text.len() - shown.len() + left));
    Some(Field { name: name.to_owned(), value, href: String::new(), faults: Vec::new() })
}

/// What of a header field people look for: a Call-ID, the user of an address, a branch, a program, an IP address, what joins
/// calls.
fn sought(header: &Header, message: &Message, bytes: &[u8]) -> Option<String> {
    let sip = message.facts.sip.as_ref()?;
    let value = || String::from_utf8_lossy(&bytes[header.value.clone()]).into_owned();
    let user = |address: &NameAddr| Some(address.uri.user.clone()).filter(|user| !user.is_empty());
    match header.name.to_ascii_lowercase().as_str() {
        "call-id" => Some(value()).filter(|id| !id.is_empty()),
        "via" => branch(&value()),
        "user-agent" | "server" => Some(value()).filter(|agent| !agent.is_empty()),
        "contact" => address(&value()).map(str::to_owned),
        "from" => user(sip.from.as_ref()?),
        "to" => user(sip.to.as_ref()?),
        "refer-to" => user(sip.refer_to.as_ref()?),
        "p-asserted-identity" | "p-preferred-identity" | "remote-party-id" | "diversion" | "referred-by" => {
            let value = value();
            let uri = value.split_once('<').map_or(value.as_str(), |(_, rest)| rest);
            user(&NameAddr { uri: Uri::parse(uri.split(['>', ',']).next()?.trim()), ..NameAddr::default() })
        }
        "replaces" | "join" | "target-dialog" => value().split(';').next().map(|id| id.trim().to_owned()),
        // Version, trace, parent.
        "traceparent" => value().split('-').nth(1).map(str::to_owned),
        _ => key(&value(), &message.facts.keys),
    }
    .filter(|text| !text.is_empty())
}

/// What of this value joins the call with others.
fn key(value: &str, keys: &[Key]) -> Option<String> {
    let plain = percent_decode_str(value).decode_utf8_lossy().to_ascii_lowercase();
    keys.iter().map(|key| &key.value).find(|key| plain.contains(&key.to_ascii_lowercase())).cloned()
}

/// The IP address of the first URI, with its port.
fn address(value: &str) -> Option<&str> {
    let uri = value.split_once('<').map_or(value, |(_, rest)| rest);
    let (_, rest) = uri.split_once(':')?;
    let rest = rest.trim_start_matches('/').split(['>', ';', ',', '?', '/']).next()?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host).trim();
    let is_ip = host.parse::<SocketAddr>().is_ok() || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_ip.then_some(host)
}

fn branch(via: &str) -> Option<String> {
    let (_, rest) = via.split_once("branch=")?;
    let branch = rest.split([';', ',', ' ', '\t']).next().unwrap_or_default();
    (!branch.is_empty()).then(|| branch.to_owned())
}

/// Empty: it is longer than anything that is looked for.
fn search(text: &str, zone: Zone) -> String {
    let zone = if zone.is_utc() { String::new() } else { format!("&zone={}", encode(zone.name())) };
    if text.len() > MOST_SOUGHT { String::new() } else { format!("/search?q={}{zone}", encode(text)) }
}

/// What no index holds is looked for around the time of the message: whoever clicks it in an old call finds it, too.
fn search_near(text: &str, message: &Message, zone: Zone) -> String {
    let search = search(text, zone);
    if search.is_empty() { search } else { format!("{search}&around={}", encode(&zone.field(message.time))) }
}

/// What is said of bytes of a field that are not shown.
fn more_of(left: usize) -> Option<Piece> {
    (left > 0).then(|| Piece { text: format!("… {left} more bytes: see Raw"), look: Look::Control })
}

/// What lights up in this message: its tags, its branches and its Call-ID where it occurs in another field too.
fn lit(message: &Message, bytes: &[u8], headers: &[Header]) -> Vec<Lit> {
    let Some(sip) = &message.facts.sip else { return Vec::new() };
    let mut lit = Vec::new();
    let mut add = |text: Option<&str>, colour, behind: &'static [u8]| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            lit.push(Lit { text: text.as_bytes().to_vec(), colour, behind: Some(behind) });
        }
    };
    add(sip.from.as_ref().and_then(|from| from.tag()), 1, b"tag=");
    add(sip.to.as_ref().and_then(|to| to.tag()), 3, b"tag=");
    for (at, via) in sip.vias.iter().take(6).enumerate() {
        add(Some(&via.branch), 4 + at % 2, b"branch=");
    }
    if let Some(call_id) = message.facts.call_id.as_deref().filter(|id| id.len() >= 4) {
        let within = |header: &&Header| find(&bytes[header.value.clone()], call_id.as_bytes(), 0).is_some();
        if headers.iter().filter(within).count() > 1 {
            lit.push(Lit { text: call_id.as_bytes().to_vec(), colour: 6, behind: None });
        }
    }
    lit
}

/// None: there is no room for it.
fn value(message: &Message, bytes: &[u8], header: &Header, lit: &[Lit], room: &mut Room) -> Option<Vec<Piece>> {
    // A byte of a name takes six where it is escaped.
    if !room.take(MARKUP + 6 * header.name.len()) {
        return None;
    }
    let value = &bytes[header.value.clone()];
    let shown = cut(value);
    let mut spots: Vec<(Range<usize>, Look)> = lit.iter().flat_map(|lit| spots(shown, lit)).collect();
    if let Some(user) = user(header, shown, message) {
        spots.push((user, Look::Strong));
    }
    if header.name.eq_ignore_ascii_case("cseq") && !shown.is_empty() {
        spots.push((0..shown.len(), Look::Strong));
    }
    spots.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::new();
    let mut from = 0;
    let mut left = value.len() - shown.len();
    let mut add = |range: Range<usize>, look: Look| {
        let (pieces, without) = pieces(&shown[range], false, room);
        let lit = |piece: Piece| if piece.look == Look::Plain { Piece { look, ..piece } } else { piece };
        out.extend(pieces.into_iter().map(lit));
        left += without;
    };
    for (range, look) in spots {
        if range.start < from {
            continue;
        }
        add(from..range.start, Look::Plain);
        from = range.end;
        add(range, look);
    }
    add(from..shown.len(), Look::Plain);
    let head = message.head as usize;
    let range = head + header.value.start..head + header.value.end;
    let masked = message.masked.iter().filter(|mask| range.contains(&(mask.at as usize)));
    out.extend(masked.map(mask_of).take_while(|told| room.take(cost(told))));
    out.extend(more_of(left));
    Some(out)
}

/// The user part of From and To, which is who it is about.
fn user(header: &Header, value: &[u8], message: &Message) -> Option<Range<usize>> {
    let sip = message.facts.sip.as_ref()?;
    let of = match header.name.as_str() {
        name if name.eq_ignore_ascii_case("from") => sip.from.as_ref()?,
        name if name.eq_ignore_ascii_case("to") => sip.to.as_ref()?,
        _ => return None,
    };
    let user = of.uri.user.as_bytes();
    let scheme = find(value, b"sip", 0).or_else(|| find(value, b"tel:", 0))?;
    let at = find(value, user, scheme).filter(|_| !user.is_empty())?;
    Some(at..at + user.len())
}

fn spots(value: &[u8], lit: &Lit) -> Vec<(Range<usize>, Look)> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(at) = find(value, &lit.text, from) {
        let end = at + lit.text.len();
        let ends = value.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-._@%~+".contains(byte));
        if ends && lit.behind.is_none_or(|behind| ends_with(&value[..at], behind)) {
            out.push((at..end, Look::Mark(lit.colour)));
        }
        from = end;
    }
    out
}

fn find(hay: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    if needle.is_empty() || hay.len() < from + needle.len() {
        return None;
    }
    hay[from..].windows(needle.len()).position(|part| part == needle).map(|at| from + at)
}

/// At most `LONGEST` bytes, not within a character.
fn cut(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= LONGEST {
        return bytes;
    }
    let mut end = LONGEST;
    while end > LONGEST - 4 && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &bytes[..end]
}

fn ends_with(value: &[u8], end: &[u8]) -> bool {
    value.len() >= end.len() && value[value.len() - end.len()..].eq_ignore_ascii_case(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_joins_calls_is_looked_for_in_whatever_header_it_stands() {
        let keys = [Key::new("call", "a-leg@example.com"), Key::new("session", "ab30317f1a784dc48ff824d0d3715d86")];
        for (value, found) in [
            ("<a-leg%40example.com>", Some("a-leg@example.com")),
            ("AB30317F1A784DC48FF824D0D3715D86;remote=0", Some("ab30317f1a784dc48ff824d0d3715d86")),
            ("70", None),
        ] {
            assert_eq!(key(value, &keys).as_deref(), found, "{value}");
        }
    }

    #[test]
    fn an_ip_address_is_looked_for_wherever_it_stands() {
        for (value, found) in [
            ("\"bob\" <sip:bob@192.0.2.5:5060;transport=tcp>;expires=60", Some("192.0.2.5:5060")),
            ("sip:192.0.2.7", Some("192.0.2.7")),
            ("<sip:bob@[2001:db8::5]:5060>", Some("[2001:db8::5]:5060")),
            ("https://192.0.2.9:8443/v1/route?callId=1", Some("192.0.2.9:8443")),
            ("https://push.example.com/3/device", None),
            ("*", None),
        ] {
            assert_eq!(address(value), found, "{value}");
        }
    }
}
