//! One row as a value: a message as an arrow, with its times, label and remark, and the classes that draw it.

use message::kind::Kind;

use super::view::RowId;
use super::words::Clock;

#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub id: RowId,
    /// Index of the flow's row, and of the message drawn.
    pub of: usize,
    pub message: usize,
    /// Rows of one transaction share a number.
    pub transaction: usize,
    pub kind: Kind,
    /// Leg: its tag and the number of its colour.
    pub tag: String,
    pub colour: usize,
    /// Lanes.
    pub from: usize,
    pub to: usize,
    pub from_name: String,
    pub to_name: String,
    pub clock: Clock,
    pub delta: Delta,
    pub answer: bool,
    pub status: Option<u16>,
    pub label: Label,
    pub remark: Option<Remark>,
    pub provisional: bool,
    /// It holds the text that is looked for.
    pub hit: bool,
    /// Worth a look: refused, unanswered or not whole.
    pub problem: bool,
    pub mark: Mark,
    /// What a rule says of it.
    pub said: Option<Said>,
    /// It is a hook in the last lane, drawn to the left.
    pub last_lane: bool,
}

/// Time since the row before it in view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delta {
    pub text: String,
    /// 0, or 1 to 3: at least 200 ms, 1 s, 4 s.
    pub slow: u8,
    /// The time beside it was repaired.
    pub repaired: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Method or status.
    pub strong: String,
    pub text: String,
    pub sdp: bool,
    /// The remark, where no end of the arrow has room for it.
    pub small: String,
}

/// What is said beyond an end of the arrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    pub text: String,
    pub sign: Sign,
    /// Beyond the right end, rather than the left one.
    pub right: bool,
    /// The lane at that end.
    pub lane: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sign {
    None,
    Clock,
    Twice,
    Again,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    None,
    /// Its detail is open.
    Open,
    /// Of one transaction with the open one.
    Transaction,
}

/// What a rule says of a message that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Links in mails end in these.
    pub anchors: Vec<String>,
    pub state: Came,
    /// `4.20 s late`
    pub short: String,
    pub says: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Came {
    Late,
    Forbidden,
    /// Another answer than the one that a rule waited for.
    Refused,
}

impl Row {
    /// Links in mails end in these.
    pub fn anchors(&self) -> &[String] {
        self.said.as_ref().map_or(&[], |said| &said.anchors)
    }

    pub fn is_hook(&self) -> bool {
        self.from == self.to
    }

    /// Classes of its link.
    pub fn classes(&self) -> String {
        let mut classes = vec!["m"];
        if self.to < self.from || self.is_hook() && self.last_lane {
            classes.push("rev");
        }
        classes.push(if self.answer { "resp" } else { "req" });
        match self.status {
            Some(100..200) => classes.push("prov"),
            Some(200..300) => classes.push("ok"),
            Some(_) => classes.push("final"),
            None => {}
        }
        if self.is_hook() {
            classes.push("self");
        }
        if self.provisional {
            classes.push("open");
        }
        if self.hit {
            classes.push("hit");
        }
        if self.problem {
            classes.push("wrong");
        }
        match self.said.as_ref().map(|said| said.state) {
            Some(Came::Late) => classes.push("late"),
            Some(Came::Forbidden | Came::Refused) => classes.push("unexp"),
            None => {}
        }
        match self.mark {
            Mark::None => {}
            Mark::Open => classes.push("pick"),
            Mark::Transaction => classes.push("tx"),
        }
        format!("{} leg{}", classes.join(" "), self.colour)
    }

    /// Where arrow and label lie: from the middle of a lane to the middle of another.
    pub fn place(&self) -> String {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        format!("s{low} e{high}")
    }

    pub fn glyph(&self) -> &'static str {
        glyph(self.kind)
    }
}

impl Said {
    /// On the row of its message.
    pub fn mark(self, row: &mut Row, lanes: usize) {
        row.delta.text.clone_from(&self.short);
        row.delta.slow = 0;
        row.problem = true;
        let (low, high) = (row.from.min(row.to), row.from.max(row.to));
        match &mut row.remark {
            Some(remark) => remark.text = format!("{}, {}", self.says, remark.text),
            None => {
                let right = lanes - 1 - high.min(lanes - 1) >= low;
                let lane = if right { high } else { low };
                row.remark = Some(Remark { text: self.says.clone(), sign: Sign::None, right, lane });
            }
        }
        row.said = Some(self);
    }
}

impl Remark {
    pub fn classes(&self) -> String {
        if self.right { format!("by right s{}", self.lane) } else { format!("by left e{}", self.lane) }
    }

    pub fn glyph(&self) -> Option<&'static str> {
        match self.sign {
            Sign::None => None,
            Sign::Clock => Some("g-clock"),
            Sign::Twice => Some("g-twice"),
            Sign::Again => Some("g-again"),
        }
    }
}

/// The symbol of a kind in the sprite.
pub fn glyph(kind: Kind) -> &'static str {
    match kind {
        Kind::Sip => "g-sip",
        Kind::Rest => "g-rest",
        Kind::Push => "g-push",
        Kind::Media => "g-media",
    }
}
