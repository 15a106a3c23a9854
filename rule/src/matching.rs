//! Which message a pattern means.

use message::kind::Kind;

use crate::ground::Ground;
use crate::instance::{Instance, Of, Party, Way};
use crate::syntax::{Path, Pattern, Term, Who};

/// Which messages are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Without `from` and `to` only the instance's own.
    Own,
    /// What opens the instance is its own in any case.
    Start,
    /// All of the scenario.
    Scenario,
}

impl Instance {
    /// The first message from a row on that a pattern means, of the first that may not be provisional if asked for.
    pub fn find(&self, ground: &Ground, pattern: &Pattern, from: usize, reach: Reach) -> Option<usize> {
        let of_term = |term: &Term| {
            let mut all = (from..ground.rows.len()).filter(|row| self.fits(ground, term, *row, reach));
            all.nth(term.nth.saturating_sub(1) as usize)
        };
        pattern.0.iter().filter_map(of_term).min()
    }

    /// As `find`, of messages that are whole: what is provisional never fails, ends or forbids.
    pub fn find_whole(&self, ground: &Ground, pattern: &Pattern, from: usize, reach: Reach) -> Option<usize> {
        let of_term = |term: &Term| {
            let whole = (from..ground.rows.len()).filter(|row| !ground.rows[*row].provisional);
            let mut all = whole.filter(|row| self.fits(ground, term, *row, reach));
            all.nth(term.nth.saturating_sub(1) as usize)
        };
        pattern.0.iter().filter_map(of_term).min()
    }

    /// Whether a message is such a one, without its number.
    pub fn fits(&self, ground: &Ground, term: &Term, row: usize, reach: Reach) -> bool {
        let said = &ground.rows[row];
        if !term.methods.iter().any(|method| method == said.method) || !says(ground, term, row) {
            return false;
        }
        let named = term.from.is_some() || term.to.is_some();
        let of_device = matches!(self.of, Of::Leg(_) | Of::Registrant(_));
        let own = match reach {
            Reach::Scenario => true,
            Reach::Own => named || self.of.owns(ground, row, term),
            Reach::Start => named && of_device || self.of.opens_with(ground, row, term),
        };
        own && term.path.as_ref().is_none_or(|path| is_at(ground, row, path))
            && self.is_between(ground, row, term)
            && term.with.iter().all(|fact| self.has(ground, row, fact))
    }

    fn is_between(&self, ground: &Ground, row: usize, term: &Term) -> bool {
        let is = |who: &Option<Who>, way: Way| {
            let Some(who) = who else { return true };
            let at_end = self.parties(ground, who).iter().any(|party| party.is_end(ground, row, way));
            let such = match who {
                Who::Such { with, .. } => with.iter().all(|fact| self.has(ground, row, fact)),
                _ => true,
            };
            at_end && such
        };
        is(&term.from, Way::From) && is(&term.to, Way::To)
    }

    /// Whoever a term is about first.
    pub fn about(&self, ground: &Ground, term: &Term) -> Option<(Vec<Party>, Way)> {
        let to = term.to.as_ref().map(|who| (who, Way::To));
        let (who, way) = to.or(term.from.as_ref().map(|who| (who, Way::From)))?;
        Some((self.parties(ground, who), way))
    }
}

/// Its status, or that it is a request. A challenge that was met is no answer unless it is written out.
fn says(ground: &Ground, term: &Term, row: usize) -> bool {
    let said = &ground.rows[row];
    match (&term.codes, said.status) {
        (None, _) => !said.response,
        (Some(codes), Some(status)) => {
            let named = if said.kind == Kind::Sip { codes.holds(status, ground.codes) } else { codes.has(status) };
            named && (!said.retried || codes.spells(status))
        }
        (Some(_), None) => false,
    }
}

/// The path of its request, without the query.
fn is_at(ground: &Ground, row: usize, path: &Path) -> bool {
    let request = ground.rows[row].request.unwrap_or(row);
    let Some(target) = ground.message(request).facts.target.as_deref() else { return false };
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let own = rest.split(['?', '#']).next().unwrap_or_default();
    if path.prefix { own.starts_with(&path.text) } else { own == path.text }
}
