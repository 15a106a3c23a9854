//! Server-sent events as bytes (HTML, 9.2): written once for all readers who get them.

use std::fmt::Write;

use axum::body::Bytes;
use serde::Serialize;

use super::rows::Change;

/// Events that are sent together; the last of them says which version the reader then has.
#[derive(Debug, Default)]
pub(super) struct Events(String);

impl Events {
    /// `data` has no line ends.
    fn add(&mut self, name: &str, data: &str) {
        let _ = writeln!(self.0, "event: {name}\ndata: {data}\n");
    }

    pub fn add_change(&mut self, change: &Change) {
        #[derive(Serialize)]
        struct Told<'a> {
            id: &'a str,
            after: Option<&'a str>,
            html: &'a str,
        }
        match change {
            Change::Row { row, after } => {
                self.add_json("row", &Told { id: &row.id, after: after.as_deref(), html: &row.html });
            }
            Change::Gone(id) => self.add("gone", id),
            Change::Keep(ids) => self.add("keep", &ids.join(" ")),
        }
    }

    /// JSON has no bare line ends, so one event is one line whatever a message holds.
    pub fn add_json(&mut self, name: &str, data: &impl Serialize) {
        self.add(name, &serde_json::to_string(data).unwrap_or_default());
    }

    /// With a last event that says which version this is.
    pub fn end(mut self, version: i64) -> Bytes {
        let _ = writeln!(self.0, "event: seen\ndata:\nid: {version}\n");
        self.0.into()
    }
}

/// The server is there. A comment would say so to whatever is between, and not to the page.
pub(super) fn beat() -> Bytes {
    one("beat", "")
}

fn one(name: &str, data: &str) -> Bytes {
    let mut events = Events::default();
    events.add(name, data);
    events.0.into()
}

pub(super) fn refused(why: &'static str) -> Bytes {
    one("refused", why)
}

pub(super) fn moved(to: &str) -> Bytes {
    one("moved", to)
}

pub(super) fn reload(why: &'static str) -> Bytes {
    one("reload", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Row;

    #[test]
    fn an_event_is_one_line_whatever_a_row_holds() {
        let mut events = Events::default();
        let row = Row { id: "a".into(), html: "x\r\ndata: y\n\nevent: z".into() };
        events.add_change(&Change::Row { row, after: None });
        let text = String::from_utf8(events.end(7).to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert_eq!((lines[0], lines[3], lines[5]), ("event: row", "event: seen", "id: 7"));
        assert!(lines[1].starts_with("data: {\"id\":\"a\",\"after\":null,\"html\":\"x\\r\\n"), "{text}");
    }
}
