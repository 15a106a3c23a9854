//! The state of a scenario page, as it stands in its address: every filter, the open message, the zone and the page.

use std::fmt;
use std::str::FromStr;

use message::flow::Half;
use message::kind::Kind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use record::id::{IdError, MessageId};
use record::time::Timestamp;

use crate::zone::Zone;

/// Lists in an address are cut here: no honest link has more.
const MOST: usize = 64;
/// Sentences on what is wrong with an address.
const FAULTS: usize = 4;
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@').remove(b':').remove(b'/');

/// Parsed from a query and printed back; what is the default is left out, so one state has one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// The message whose detail is open.
    pub open: Option<RowId>,
    pub tab: Tab,
    /// Tags; empty = all.
    pub legs: Vec<String>,
    /// Empty = all but MEDIA.
    pub kinds: Vec<Kind>,
    pub methods: Vec<String>,
    /// `486`, or a class such as `4xx`.
    pub statuses: Vec<String>,
    /// Names of columns: rows that touch one of them.
    pub nodes: Vec<String>,
    pub problems: bool,
    /// Rows that hold the text that is looked for, and no others.
    pub found: bool,
    pub hide: Vec<Hide>,
    /// Sightings and repeats stand in the row they repeat.
    pub fold: bool,
    /// Text looked for in headers and bodies: what holds it is marked.
    pub find: String,
    /// Names of columns that come first, in this order; `NAME*` unfolds the devices of a person.
    pub cols: Vec<String>,
    pub zone: Zone,
    /// Counts from 1; none = the page of the open message, else the first.
    pub page: Option<usize>,
    /// All logs of it are read to this event time: what is missing by then is a problem. Not of the address.
    pub read_to: Timestamp,
}

/// A row's identity: its message, and for the answer half of an exchange an `r` behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowId {
    pub message: MessageId,
    pub answer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tab {
    #[default]
    Parsed,
    Raw,
    /// Raw, with line ends drawn.
    LineEnds,
    Body,
    Log,
}

/// What may be left out of the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hide {
    Trying,
    Options,
    Keepalives,
}

impl Default for View {
    fn default() -> Self {
        Self {
            open: None,
            tab: Tab::Parsed,
            legs: Vec::new(),
            kinds: Vec::new(),
            methods: Vec::new(),
            statuses: Vec::new(),
            nodes: Vec::new(),
            problems: false,
            found: false,
            hide: vec![Hide::Trying],
            fold: true,
            find: String::new(),
            cols: Vec::new(),
            zone: Zone::UTC,
            page: None,
            read_to: Timestamp(i64::MAX),
        }
    }
}

impl View {
    /// Reads a query; what is not understood is left out.
    pub fn parse(query: &str) -> Self {
        Self::read(query).0
    }

    /// And a sentence for each name or value that is left out: a link that was cut or mistyped shows something else than it
    /// was to show.
    pub fn read(query: &str) -> (Self, Vec<String>) {
        let (mut view, mut faults) = (Self::default(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let one = decoded(raw);
            // Commas separate; a comma within a value is written %2C, so values are split before they are decoded.
            let many = || raw.split(',').map(decoded).filter(|value| !value.is_empty());
            let mut fault = |fault: String| {
                if !one.is_empty() && faults.len() < FAULTS {
                    faults.push(fault);
                }
            };
            match name {
                "m" => match one.parse() {
                    Ok(id) => view.open = Some(id),
                    Err(_) => fault(format!("\"{}\" is no message.", cut(&one))),
                },
                "tab" => match Tab::ALL.into_iter().find(|tab| tab.name() == one) {
                    Some(tab) => view.tab = tab,
                    None => fault(unknown("There is no tab", &one, &Tab::ALL.map(Tab::name))),
                },
                "leg" => extend(&mut view.legs, many()),
                "kind" => {
                    extend(&mut view.kinds, many().filter_map(|kind| kind.parse().ok()));
                    many()
                        .filter(|kind| kind.parse::<Kind>().is_err())
                        .for_each(|kind| fault(unknown("There is no kind", &kind, &Kind::ALL.map(Kind::name))));
                }
                "method" => extend(&mut view.methods, many().map(|method| method.to_ascii_uppercase())),
                "status" => extend(&mut view.statuses, many().map(|status| status.to_ascii_lowercase())),
                "node" => extend(&mut view.nodes, many()),
                "only" => {
                    for only in many() {
                        match only.as_str() {
                            "problems" => view.problems = true,
                            "found" => view.found = true,
                            _ => fault(unknown("Rows cannot be limited to", &only, &["problems", "found"])),
                        }
                    }
                }
                "hide" => {
                    view.hide.clear();
                    extend(&mut view.hide, one.split(',').filter_map(Hide::read));
                    many()
                        .filter(|hide| Hide::read(hide).is_none())
                        .for_each(|hide| fault(unknown("Rows cannot be hidden by", &hide, &Hide::ALL.map(Hide::name))));
                }
                "fold" => view.fold = one != "0",
                "find" => one.trim().clone_into(&mut view.find),
                "cols" => extend(&mut view.cols, many()),
                "zone" => match Zone::parse(&one) {
                    Some(zone) => view.zone = zone,
                    None => fault(format!("There is no time zone \"{}\".", cut(&one))),
                },
                "page" => match one.parse().ok().filter(|page| *page > 0) {
                    Some(page) => view.page = Some(page),
                    None => fault(format!("\"{}\" is no number of a page.", cut(&one))),
                },
                // Of a live view: what its reader has.
                "since" => {}
                // When the search that led here looked.
                "from" | "to" | "around" | "within" => {}
                other => {
                    let sentence = format!("This page has no parameter \"{}\".", cut(&decoded(other)));
                    if faults.len() < FAULTS {
                        faults.push(sentence);
                    }
                }
            }
        }
        (view, faults)
    }

    /// The query that reads back as this view, without `?`.
    pub fn query(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.fields() {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(name);
            out.push('=');
            out.extend(utf8_percent_encode(&value, PLAIN));
        }
        out
    }

    /// Names and values that differ from the default, one a value: also the hidden inputs of the form.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let mut add = |name, value: String| out.push((name, value));
        self.open.iter().for_each(|id| add("m", id.to_string()));
        if self.tab != Tab::Parsed {
            add("tab", self.tab.name().to_owned());
        }
        self.legs.iter().for_each(|leg| add("leg", leg.clone()));
        self.kinds.iter().for_each(|kind| add("kind", kind.to_string()));
        self.methods.iter().for_each(|method| add("method", method.clone()));
        self.statuses.iter().for_each(|status| add("status", status.clone()));
        self.nodes.iter().for_each(|node| add("node", node.clone()));
        if self.problems {
            add("only", "problems".to_owned());
        }
        if self.found {
            add("only", "found".to_owned());
        }
        if self.hide != Self::default().hide {
            // One field, since a second `hide` would replace the first.
            add("hide", self.hide.iter().map(|hide| hide.name()).collect::<Vec<_>>().join(","));
        }
        if !self.fold {
            add("fold", "0".to_owned());
        }
        if !self.find.is_empty() {
            add("find", self.find.clone());
        }
        self.cols.iter().for_each(|col| add("cols", col.clone()));
        if !self.zone.is_utc() {
            add("zone", self.zone.name().to_owned());
        }
        self.page.iter().for_each(|page| add("page", page.to_string()));
        out
    }

    /// The same picture with nothing filtered; the open message, columns and zone stay.
    #[must_use]
    pub fn show_all(&self) -> Self {
        Self {
            open: self.open,
            tab: self.tab,
            kinds: Kind::ALL.to_vec(),
            hide: Vec::new(),
            fold: self.fold,
            cols: self.cols.clone(),
            zone: self.zone,
            ..Self::default()
        }
    }
}

impl Tab {
    pub const ALL: [Tab; 5] = [Tab::Parsed, Tab::Raw, Tab::LineEnds, Tab::Body, Tab::Log];

    pub fn name(self) -> &'static str {
        match self {
            Tab::Parsed => "parsed",
            Tab::Raw => "raw",
            Tab::LineEnds => "crlf",
            Tab::Body => "body",
            Tab::Log => "log",
        }
    }
}

impl Hide {
    pub const ALL: [Hide; 3] = [Hide::Trying, Hide::Options, Hide::Keepalives];

    pub fn name(self) -> &'static str {
        match self {
            Hide::Trying => "100",
            Hide::Options => "options",
            Hide::Keepalives => "keepalives",
        }
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hide| hide.name().eq_ignore_ascii_case(text))
    }
}

impl RowId {
    pub fn new(message: MessageId, half: Half) -> Self {
        Self { message, answer: half == Half::Response }
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.message, if self.answer { "r" } else { "" })
    }
}

impl FromStr for RowId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let whole = text.strip_suffix('r');
        Ok(Self { message: whole.unwrap_or(text).parse()?, answer: whole.is_some() })
    }
}

fn unknown(says: &str, value: &str, known: &[&str]) -> String {
    format!("{says} \"{}\". Choose from {}.", cut(value), known.join(", "))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

fn decoded(raw: &str) -> String {
    percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn extend<T: PartialEq>(list: &mut Vec<T>, values: impl Iterator<Item = T>) {
    for value in values {
        if list.len() < MOST && !list.contains(&value) {
            list.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::id::{Offset, StreamId};

    use super::*;

    #[test]
    fn the_empty_query_is_the_default() {
        assert_eq!(View::parse(""), View::default());
        assert_eq!(View::default().query(), "");
    }

    #[test]
    fn values_may_be_repeated_or_stand_with_commas() {
        let view =
            View::parse("leg=A,B1&leg=B2&kind=sip&hide=options,100&node=a%2Cb&find=bob+smith&zone=Europe/Berlin");
        assert_eq!(view.legs, ["A", "B1", "B2"]);
        assert_eq!(view.kinds, [Kind::Sip]);
        assert_eq!(view.hide, [Hide::Options, Hide::Trying]);
        assert_eq!(view.nodes, ["a,b"]);
        assert_eq!(view.find, "bob smith");
        assert_eq!(view.zone.name(), "Europe/Berlin");
    }

    #[test]
    fn an_empty_hide_shows_the_100s() {
        assert_eq!(View::parse("hide=").hide, []);
        assert_eq!(View { hide: Vec::new(), ..View::default() }.query(), "hide=");
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let (view, faults) = View::read("m=zzz&tab=x&kind=fax,sip&tab=&zone=Mars");
        assert_eq!(view, View { kinds: vec![Kind::Sip], ..View::default() });
        assert_eq!(
            faults,
            [
                "\"zzz\" is no message.",
                "There is no tab \"x\". Choose from parsed, raw, crlf, body, log.",
                "There is no kind \"fax\". Choose from SIP, REST, PUSH, MEDIA.",
                "There is no time zone \"Mars\"."
            ]
        );
        let (view, faults) = View::read("page=0&only=x&who=me&hide=7&%");
        assert_eq!((view, faults.len()), (View { hide: Vec::new(), ..View::default() }, FAULTS));
        assert_eq!(View::read("find=&m=&hide=&since=7").1, [""; 0]);
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[A-C][1-9]?", "[a-z .,&=+%#?<>\"'é\u{202e}]{1,9}"].prop_map(|text| text.trim().to_owned())
    }

    fn list() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(text().prop_filter("named", |text| !text.is_empty()), 0..4).prop_map(|values| {
            let mut unique = Vec::new();
            extend(&mut unique, values.into_iter());
            unique
        })
    }

    proptest! {
        #[test]
        fn every_view_survives_address_form_address(
            open in prop::option::of((0..i64::MAX, 0..u64::MAX / 2, any::<bool>())),
            tab in prop::sample::select(Tab::ALL.to_vec()),
            lists in (list(), list(), list()),
            kinds in prop::sample::subsequence(Kind::ALL.to_vec(), 0..=4),
            hide in prop::sample::subsequence(Hide::ALL.to_vec(), 0..=3),
            flags in any::<(bool, bool, bool)>(),
            find in text(),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York"]),
            page in prop::option::of(1..9usize),
        ) {
            let zone = Zone::parse(zone).unwrap();
            let view = View {
                open: open.map(|(stream, offset, answer)| RowId { message: MessageId::new(StreamId(stream), Offset(offset)), answer }),
                tab,
                legs: lists.0, nodes: lists.1, cols: lists.2,
                methods: vec!["INVITE".into()], statuses: vec!["4xx".into(), "200".into()],
                kinds, hide, problems: flags.0, fold: flags.1, found: flags.2, find, zone, page, read_to: Timestamp(i64::MAX),
            };
            prop_assert_eq!(&View::parse(&view.query()), &view);
            let form: Vec<String> = view.fields().iter()
                .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
                .collect();
            prop_assert_eq!(View::parse(&form.join("&")), view);
        }
    }
}
