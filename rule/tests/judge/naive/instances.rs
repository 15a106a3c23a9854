//! The instances of a rule: what opens one, and which messages are its own.

use message::kind::Kind;
use rule::syntax::{Pattern, Per, Rule, Term, Who};

use super::{Case, Told};

#[derive(Clone, Debug)]
pub struct Instance {
    pub per: Per,
    pub leg: usize,
    pub dialog: Option<usize>,
    /// Of a caller under one Call-ID.
    pub nth_try: Option<usize>,
    pub is_of_device: bool,
    pub start: Option<usize>,
    /// By row.
    pub own: Vec<bool>,
    pub start_methods: Vec<String>,
}

pub fn of(case: &Case<'_>, rule: &Rule) -> Vec<Told> {
    let flow = case.evidence.flow;
    let mut all = Vec::new();
    let blank = Instance {
        per: rule.per,
        leg: 0,
        dialog: None,
        nth_try: None,
        is_of_device: matches!(rule.per, Per::Leg | Per::Device),
        start: None,
        own: vec![true; case.rows.len()],
        start_methods: rule.start.0.iter().flat_map(|term| term.methods.clone()).collect(),
    };
    match rule.per {
        Per::Scenario => all.extend(case.run(rule, &blank, true)),
        Per::Attempt => {
            for caller in &flow.course.callers {
                for nth in 0..caller.tries.len() {
                    let own = (0..case.rows.len()).map(|at| case.is_of_try(at, caller, nth)).collect();
                    let one = Instance { leg: caller.leg, nth_try: Some(nth), own, ..blank.clone() };
                    all.extend(case.run(rule, &one, true));
                }
            }
        }
        Per::Leg | Per::Device => {
            // The caller's side is no device that was called.
            let calls = |leg: &usize| flow.course.callers.iter().any(|caller| caller.leg == *leg);
            for leg in (0..flow.legs.len()).filter(|leg| !calls(leg)) {
                let own = (0..case.rows.len()).map(|at| case.is_of_leg(at, leg)).collect();
                let one = Instance { leg, own, ..blank.clone() };
                all.extend(case.run(rule, &one, rule.per == Per::Leg));
            }
        }
        Per::Dialog => {
            for (dialog, value) in flow.course.dialogs.iter().enumerate() {
                let own: Vec<bool> = (0..case.rows.len()).map(|at| flow.rows[at].dialog == Some(dialog)).collect();
                let caller = flow.course.callers.iter().find(|caller| flow.legs[caller.leg].call_id == value.call_id);
                let leg = value.leg.unwrap_or(caller.map_or(0, |caller| caller.leg));
                let one = Instance { leg, dialog: Some(dialog), own, ..blank.clone() };
                all.extend(case.run(rule, &one, false));
            }
        }
        Per::Transaction => {
            for request in (0..case.rows.len()).filter(|at| case.rows[*at].request) {
                let own = |at: usize| {
                    at == request
                        || flow.rows[at].pair == Some(request)
                        || flow.rows[at].transaction == flow.rows[request].transaction
                };
                let one = Instance {
                    leg: case.rows[request].leg,
                    own: (0..case.rows.len()).map(own).collect(),
                    ..blank.clone()
                };
                if case.first(&one, &rule.start, request, request + 1, false) == Some(request) {
                    all.extend(case.run(rule, &one, true));
                }
            }
        }
    }
    all
}

impl Case<'_> {
    fn run(&self, rule: &Rule, blank: &Instance, once: bool) -> Vec<Told> {
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(start) = self.start(rule, blank, from) {
            let one = Instance { start: Some(start), ..blank.clone() };
            let (told, over) = self.steps(rule, &one);
            all.extend(told);
            match over.filter(|_| !once) {
                Some(over) => from = over.max(start) + 1,
                None => break,
            }
        }
        all
    }

    /// The next message that opens an instance: its own, and whole.
    fn start(&self, rule: &Rule, blank: &Instance, from: usize) -> Option<usize> {
        (from..self.rows.len()).find(|at| {
            let opens = Instance { start: Some(*at), ..blank.clone() };
            rule.start.0.iter().any(|term| {
                // For a leg or device, who sends or gets it says whose it is.
                let named = blank.is_of_device && (term.from.is_some() || term.to.is_some());
                (named || blank.own[*at]) && !self.rows[*at].provisional && self.matches(&opens, term, *at, false)
            })
        })
    }

    /// A hop of the try, or a message of that caller's call that is on no hop.
    fn is_of_try(&self, at: usize, caller: &message::flow::Caller, nth: usize) -> bool {
        let flow = self.evidence.flow;
        let row = &flow.rows[at];
        match row.hop {
            Some(mut hop) => loop {
                if caller.tries[nth].attempts.contains(&hop) {
                    return true;
                }
                match flow.hops[hop].parent {
                    Some(parent) => hop = parent,
                    None => return false,
                }
            },
            None => self.root(row.leg) == caller.leg && self.is_in_time_of(at, caller, nth),
        }
    }

    /// After the try began, and before the next.
    fn is_in_time_of(&self, at: usize, caller: &message::flow::Caller, nth: usize) -> bool {
        let begun = caller.tries[nth].begun;
        let next = caller.tries.iter().filter_map(|other| other.begun).filter(|other| Some(*other) > begun).min();
        let time = self.rows[at].time;
        begun.is_none_or(|begun| time >= begun.0) && next.is_none_or(|next| time < next.0)
    }

    /// The first row of a pattern, from one row on and before another. Provisional ones may meet a step, and no more.
    pub fn first(
        &self,
        instance: &Instance,
        pattern: &Pattern,
        from: usize,
        until: usize,
        provisional: bool,
    ) -> Option<usize> {
        let firsts = pattern.0.iter().filter_map(|term| {
            let mut rows = (from..until)
                .filter(|at| (provisional || !self.rows[*at].provisional) && self.matches(instance, term, *at, false));
            rows.nth(term.nth as usize - 1)
        });
        firsts.min()
    }

    pub fn matches(&self, instance: &Instance, term: &Term, at: usize, anywhere: bool) -> bool {
        let said = &self.rows[at];
        let of_kind = |method: &String| said.is(method);
        if !term.methods.iter().any(of_kind) {
            return false;
        }
        match &term.codes {
            None if !said.request => return false,
            None => {}
            Some(_) if said.request || said.status == 0 => return false,
            Some(codes) => {
                let by_range = if said.kind == Kind::Sip {
                    codes.holds(said.status, &self.defaults.codes)
                } else {
                    codes.has(said.status)
                };
                let spelled = codes.spells(said.status);
                if !(spelled || (by_range && !said.is_retried) || self.ends_by_199(instance, term, at)) {
                    return false;
                }
            }
        }
        if let Some(path) = &term.path {
            let target = said.message.facts.target.as_deref().unwrap_or_default();
            let target =
                target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
            let target = target.split('?').next().unwrap_or_default();
            let is = if path.prefix { target.starts_with(&path.text) } else { target == path.text };
            if !is {
                return false;
            }
        }
        let of = |who: &Option<Who>, from: bool| {
            who.as_ref().is_none_or(|who| {
                let such = match who {
                    Who::Such { with, .. } => with.iter().all(|fact| self.holds(instance, at, fact)),
                    _ => true,
                };
                such && self.persons(instance, who).iter().any(|person| self.is_end(instance, at, person, from))
            })
        };
        if term.from.is_none() && term.to.is_none() {
            let of_another_kind = term.codes.is_none()
                && instance.per != Per::Attempt
                && !term.methods.iter().any(|method| instance.start_methods.contains(method));
            if !(anywhere || of_another_kind || instance.own[at]) {
                return false;
            }
        }
        of(&term.from, true) && of(&term.to, false) && term.with.iter().all(|fact| self.holds(instance, at, fact))
    }

    /// A 199 ends an early dialog that is told apart by its To-tag alone.
    fn ends_by_199(&self, instance: &Instance, term: &Term, at: usize) -> bool {
        let refusal = term.codes.as_ref().is_some_and(|codes| codes.has(487));
        let by_tag = instance.is_of_device && self.evidence.flow.legs[instance.leg].by_tag;
        self.rows[at].status == 199
            && refusal
            && by_tag
            && term.from.is_some()
            && self.knows(super::Sentence::TagOnlyIsBlind)
    }
}
