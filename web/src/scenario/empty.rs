//! A view without a row says why, and leads out.

use message::kind::Kind;

use super::tools::{link, out_of_view};
use crate::ladder::Ladder;
use crate::ladder::view::View;

/// No row is in view, and why.
#[derive(Debug)]
pub struct Empty {
    /// `No row is in view. Hidden: 340 of other kinds.`
    pub why: String,
    /// Filters to drop, one by one.
    pub ways: Vec<(String, String)>,
    pub all: String,
}

pub fn empty(ladder: &Ladder, view: &View) -> Option<Empty> {
    if ladder.counts.shown > 0 {
        return None;
    }
    if ladder.counts.total == 0 {
        let why = "No message of this scenario is stored.".to_owned();
        return Some(Empty { why, ways: Vec::new(), all: String::new() });
    }
    let fields = view.fields();
    let given = |name: &str| {
        let values: Vec<&str> = fields.iter().filter(|(of, _)| *of == name).map(|(_, value)| value.as_str()).collect();
        match (values.is_empty(), name) {
            (true, "hide") => "hide=100".to_owned(),
            (_, "only") => "only=problems".to_owned(),
            (_, "find") => "only=found".to_owned(),
            (true, _) => name.to_owned(),
            (false, _) => format!("{name}={}", values.join(",")),
        }
    };
    let hidden: Vec<String> = ladder.counts.hidden.iter().map(|(by, rows)| out_of_view(by, *rows, view)).collect();
    let ways = ladder.counts.hidden_by.iter().map(|(name, _)| (given(name), link(&without(view, name)))).collect();
    let all = link(&view.show_all());
    Some(Empty { why: format!("No row is in view. Hidden: {}.", hidden.join(", ")), ways, all })
}

fn without(view: &View, filter: &str) -> View {
    let mut view = View { page: None, ..view.clone() };
    match filter {
        "leg" => view.legs.clear(),
        "kind" => view.kinds = Kind::ALL.to_vec(),
        "method" => view.methods.clear(),
        "status" => view.statuses.clear(),
        "node" => view.nodes.clear(),
        "only" => view.problems = false,
        "hide" => view.hide.clear(),
        _ => view.found = false,
    }
    view
}
