//! A second judge: the sentences of the design one by one, each as plainly as can be. It walks all rows for each step of
//! each instance, and shares nothing with the other judge but the parser, the flow, and the values that go in and come out.

mod facts;
mod instances;
mod outcome;
mod rows;
mod shown;
mod steps;
mod who;

use rule::evidence::Evidence;
use rule::syntax::{Defaults, Rule};
use rule::verdict::Outcome;

use self::rows::Said;

/// A sentence that made the difference when rules were tried on real logs, so that it can be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sentence {
    /// A step that counts from a blind step is blind too, unless it is seen.
    BlindFromBlind,
    /// Inside a dialog a message straight to or from somebody counts as well.
    StraightInDialog,
    /// A leg without an INVITE takes the way of its device's last REGISTER.
    WayOfRegister,
    /// What a node makes itself is asked only of what it can make.
    OwnOnlyWhatItMakes,
    /// Of a leg told apart by its To-tag only, refusals are blind; a 199 ends it.
    TagOnlyIsBlind,
    /// A request repeated without an answer proves the missing answer, whatever the log is known to hold.
    RepetitionIsEvidence,
    /// Each caller's call has its own winner; `no` only for who answered too, and unknown without an answer.
    WinnerOfEachCaller,
}

impl Sentence {
    pub const ALL: [Self; 7] = [
        Self::BlindFromBlind,
        Self::StraightInDialog,
        Self::WayOfRegister,
        Self::OwnOnlyWhatItMakes,
        Self::TagOnlyIsBlind,
        Self::RepetitionIsEvidence,
        Self::WinnerOfEachCaller,
    ];
}

/// What came of one instance.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Told {
    pub rule: String,
    pub leg: usize,
    pub start: usize,
    pub outcome: Outcome,
    pub class: Option<String>,
    pub step: Option<usize>,
}

/// All that is looked at.
pub struct Case<'a> {
    evidence: Evidence<'a>,
    defaults: &'a Defaults,
    rows: Vec<Said<'a>>,
    without: Option<Sentence>,
}

pub fn judge<'a>(
    rules: &[Rule],
    defaults: &'a Defaults,
    evidence: &Evidence<'a>,
    without: Option<Sentence>,
) -> Vec<Told> {
    let rows = rows::said(evidence);
    let case = Case { evidence: *evidence, defaults, rows, without };
    let mut told: Vec<Told> = rules.iter().flat_map(|rule| instances::of(&case, rule)).collect();
    told.sort();
    told
}

impl Case<'_> {
    fn knows(&self, sentence: Sentence) -> bool {
        self.without != Some(sentence)
    }
}
