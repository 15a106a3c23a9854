//! Columns: which nodes are drawn, in which order, and what is folded together where there are too many.

use message::flow::{Flow, Log, Node, NodeKind};

use super::entry::Entry;
use super::view::View;
use super::words::duration;
use crate::words::counted;

/// Over this, the devices of a person are one column.
const UNFOLDED: usize = 12;
/// Over this, the nodes that matter least are one column.
pub const MOST: usize = 64;

/// The columns of a ladder, and which of them each node of the flow is in.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Columns {
    pub columns: Vec<Column>,
    pub groups: Vec<Group>,
    /// By index of the node; none for a node that has no row in view.
    pub lanes: Vec<Option<usize>>,
    /// Nodes without a row in view.
    pub hidden: usize,
    /// Persons whose devices are one column: name and number of devices.
    pub folded: Vec<(String, usize)>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Column {
    pub name: String,
    /// Second line: address or platform.
    pub detail: String,
    pub kind: NodeKind,
    /// Leg of a device: its tag and the number of its colour.
    pub leg: Option<(String, usize)>,
    /// Addressed, and never sent anything: a dashed lane.
    pub never: bool,
    /// How far the first of its logs that is not read to its end is read, in few words and in all.
    pub read: Option<(String, String)>,
    /// `clock −38 ms`: the times of its log are shown shifted.
    pub clock: Option<String>,
    group: Option<String>,
}

impl Columns {
    /// Says under each server how far its logs are read, where `read` says that one is not read to its end.
    pub fn note_logs(&mut self, flow: &Flow, read: impl Fn(&Log) -> Option<(String, String)>) {
        for (node, lane) in flow.nodes.iter().zip(&self.lanes) {
            let Some(column) = lane.and_then(|lane| self.columns.get_mut(lane)) else { continue };
            if column.read.is_none() {
                column.read = node.logs.iter().find_map(&read);
            }
        }
    }
}

impl Column {
    /// Name and port, so that what tells ports of one host apart is never cut off.
    pub fn parts(&self) -> (&str, &str) {
        let port = |at: &usize| self.name[at + 1..].bytes().all(|byte| byte.is_ascii_digit());
        let colon = self.name.rfind(':').filter(|at| *at > 0 && *at + 1 < self.name.len()).filter(port);
        self.name.split_at(colon.unwrap_or(self.name.len()))
    }

    /// The symbol of its kind in the sprite.
    pub fn glyph(&self) -> &'static str {
        match self.kind {
            NodeKind::Server => "n-server",
            NodeKind::Device => "n-device",
            NodeKind::External => "n-external",
        }
    }
}

/// What stands above columns that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub title: String,
    /// A person, rather than a kind of node.
    pub person: bool,
    pub from: usize,
    pub to: usize,
}

/// A column before it has a place: the nodes that are drawn in it.
struct Draft {
    column: Column,
    nodes: Vec<usize>,
    person: Option<String>,
}

pub fn columns(flow: &Flow, in_view: &[Entry], view: &View) -> Columns {
    let mut has_row = vec![false; flow.nodes.len()];
    for row in &flow.rows {
        has_row[row.from] = true;
        has_row[row.to] = true;
    }
    let mut touched = vec![0usize; flow.nodes.len()];
    for entry in in_view {
        let row = &flow.rows[entry.row];
        touched[row.from] += 1;
        touched[row.to] += 1;
    }
    let asked_for = |node: &Node| {
        let tag = node.leg.and_then(|leg| flow.legs.get(leg)).map(|leg| &leg.tag);
        view.nodes.is_empty() && (view.legs.is_empty() || tag.is_some_and(|tag| view.legs.contains(tag)))
    };
    let shown = |at: &usize| touched[*at] > 0 || !has_row[*at] && asked_for(&flow.nodes[*at]);
    let mut nodes: Vec<usize> = (0..flow.nodes.len()).filter(shown).collect();
    let hidden = flow.nodes.len() - nodes.len();
    nodes.sort_by_key(|at| view.cols.iter().position(|col| *col == flow.nodes[*at].name).unwrap_or(usize::MAX));

    let mut drafts: Vec<Draft> = nodes.iter().map(|at| draft(*at, flow)).collect();
    let mut folded = Vec::new();
    if drafts.len() > UNFOLDED {
        drafts = fold_people(drafts, view, &mut folded);
    }
    if drafts.len() > MOST {
        drafts = fold_rest(drafts, flow, in_view, &touched);
    }
    let mut lanes = vec![None; flow.nodes.len()];
    for (lane, draft) in drafts.iter().enumerate() {
        for node in &draft.nodes {
            lanes[*node] = Some(lane);
        }
    }
    let columns: Vec<Column> = drafts.into_iter().map(|draft| draft.column).collect();
    Columns { groups: groups(&columns), columns, lanes, hidden, folded }
}

fn draft(at: usize, flow: &Flow) -> Draft {
    let node = &flow.nodes[at];
    let leg = node.leg.and_then(|leg| flow.legs.get(leg).map(|of| (of.tag.clone(), colour(leg))));
    let group = match (&node.person, node.kind) {
        (Some(person), _) => Some(person.clone()),
        _ => None,
    };
    Draft {
        person: node.person.clone().filter(|_| node.kind == NodeKind::Device),
        column: Column {
            name: node.name.clone(),
            detail: node.detail.clone(),
            kind: node.kind,
            leg,
            never: !node.spoke,
            // Shifted forward means that its clock is behind.
            read: None,
            clock: (node.clock_shift != 0).then(|| format!("clock {}", signed(-node.clock_shift))),
            group,
        },
        nodes: vec![at],
    }
}

/// The number of a leg's colour, 1 to 8; the 9th leg repeats the first colour under another tag.
pub fn colour(leg: usize) -> usize {
    leg % 8 + 1
}

/// Devices of one person become one column where the first of them stood, unless `PERSON*` is in the address.
fn fold_people(drafts: Vec<Draft>, view: &View, folded: &mut Vec<(String, usize)>) -> Vec<Draft> {
    let mut out: Vec<Draft> = Vec::new();
    for draft in drafts {
        let Some(person) = draft.person.clone().filter(|person| !view.cols.contains(&format!("{person}*"))) else {
            out.push(draft);
            continue;
        };
        match out.iter_mut().find(|other| other.person.as_ref() == Some(&person)) {
            None => out.push(draft),
            Some(first) => {
                first.nodes.push(draft.nodes[0]);
                first.column.never &= draft.column.never;
                first.column.leg = None;
                first.column.name.clone_from(&person);
                first.column.detail = counted(first.nodes.len(), "device");
            }
        }
    }
    for draft in &out {
        if let (Some(person), 2..) = (&draft.person, draft.nodes.len()) {
            folded.push((person.clone(), draft.nodes.len()));
        }
    }
    out
}

/// Columns with problems and those they speak with stay, then the busiest; the rest is one column, so no row is lost.
fn fold_rest(drafts: Vec<Draft>, flow: &Flow, in_view: &[Entry], touched: &[usize]) -> Vec<Draft> {
    let mut problem = vec![false; flow.nodes.len()];
    for entry in in_view {
        let row = &flow.rows[entry.row];
        if entry.problem {
            problem[row.from] = true;
            problem[row.to] = true;
        }
    }
    let weight = |draft: &Draft| {
        let busy: usize = draft.nodes.iter().map(|node| touched[*node]).sum();
        (draft.nodes.iter().any(|node| problem[*node]), busy)
    };
    let mut by_weight: Vec<usize> = (0..drafts.len()).collect();
    by_weight.sort_by_key(|at| std::cmp::Reverse(weight(&drafts[*at])));
    let mut keep = vec![false; drafts.len()];
    by_weight.iter().take(MOST - 1).for_each(|at| keep[*at] = true);

    let mut out = Vec::with_capacity(MOST);
    let mut rest = Vec::new();
    for (draft, keep) in drafts.into_iter().zip(keep) {
        if keep { out.push(draft) } else { rest.extend(draft.nodes) }
    }
    let column = Column {
        name: counted(rest.len(), "more node"),
        detail: String::new(),
        kind: NodeKind::External,
        leg: None,
        never: false,
        read: None,
        clock: None,
        group: None,
    };
    out.push(Draft { column, nodes: rest, person: None });
    out
}

/// Neighbours that belong together: devices of one person, servers, peers outside.
fn groups(columns: &[Column]) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for (lane, column) in columns.iter().enumerate() {
        let title = column.group.clone().unwrap_or_else(|| kind_title(column.kind).to_owned());
        let person = column.group.is_some();
        match out.last_mut() {
            Some(last) if last.title == title && last.person == person => last.to = lane,
            _ => out.push(Group { title, person, from: lane, to: lane }),
        }
    }
    for group in out.iter_mut().filter(|group| group.person && group.to > group.from) {
        group.title = format!("{}, {} devices", group.title, group.to - group.from + 1);
    }
    out
}

fn kind_title(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Server => "servers",
        NodeKind::Device => "devices",
        NodeKind::External => "outside",
    }
}

fn signed(micros: i64) -> String {
    if micros > 0 { format!("+{}", duration(micros)) } else { duration(micros) }
}
