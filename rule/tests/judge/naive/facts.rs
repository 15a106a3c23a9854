//! Facts. What is not known compares as false.

use message::flow::{End, Outcome};
use message::kind::Kind;
use rule::syntax::{Fact, FactName, Op, Who};

use super::instances::Instance;
use super::{Case, Sentence};

impl Case<'_> {
    pub fn holds(&self, instance: &Instance, at: usize, fact: &Fact) -> bool {
        let Some(is) = self.fact(instance, at, &fact.name) else { return false };
        match fact.op {
            Op::Is => fact.values.iter().any(|value| value.eq_ignore_ascii_case(&is)),
            Op::IsNot => !fact.values.iter().any(|value| value.eq_ignore_ascii_case(&is)),
            op => {
                let number = |text: &str| text.parse::<f64>().ok().or_else(|| Some(rule::duration::read(text)? as f64));
                let (Some(is), Some(than)) = (number(&is), number(&fact.values[0])) else { return false };
                match op {
                    Op::Less => is < than,
                    Op::AtMost => is <= than,
                    Op::More => is > than,
                    _ => is >= than,
                }
            }
        }
    }

    fn fact(&self, instance: &Instance, at: usize, name: &FactName) -> Option<String> {
        let flow = self.evidence.flow;
        let (said, row) = (&self.rows[at], &flow.rows[at]);
        let sip = said.message.facts.sip.as_deref();
        let leg = if instance.is_of_device { instance.leg } else { self.rows[at].leg };
        let yes = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
        match name {
            FactName::Scenario => Some(self.evidence.class.name().to_owned()),
            FactName::Initial => {
                let request = if said.request { Some(at) } else { row.pair };
                match request {
                    Some(request) => {
                        let to = self.rows[request].message.facts.sip.as_ref()?.to.as_ref();
                        yes(to.and_then(|to| to.tag()).is_none_or(str::is_empty))
                    }
                    None => row.hop.and_then(|_| yes(true)),
                }
            }
            FactName::Repeated => yes(!row.repeats.is_empty()),
            FactName::Rang => {
                let over_all = Instance { nth_try: None, ..instance.clone() };
                let callers = self.persons(&over_all, &Who::Caller);
                yes((0..self.rows.len()).any(|at| {
                    let rings = self.rows[at].is("INVITE") && matches!(self.rows[at].status, 180 | 183);
                    let to_caller = || callers.iter().any(|caller| self.is_end(&over_all, at, caller, false));
                    rings && if instance.is_of_device { self.is_of_leg(at, leg) } else { to_caller() }
                }))
            }
            FactName::Winner => {
                let root = self.root(leg);
                let callers = &flow.course.callers;
                let caller = if self.knows(Sentence::WinnerOfEachCaller) {
                    callers.iter().find(|caller| caller.leg == root)
                } else {
                    callers.first()
                };
                let winner = caller?.winner.as_ref().and_then(|winner| winner.leg);
                if !self.knows(Sentence::WinnerOfEachCaller) {
                    return yes(winner == Some(leg));
                }
                if winner == Some(leg) {
                    return yes(true);
                }
                // Below an agent, who answered after the winner hung up took nobody's place.
                let over = match caller?.connected {
                    Some((_, End::Bye { time, .. } | End::Transferred { time, .. })) => time.0,
                    _ => i64::MAX,
                };
                let agents = |hop: &usize| {
                    let parent = flow.hops[*hop].parent;
                    parent.is_some_and(|parent| flow.hops[parent].call != flow.hops[*hop].call)
                };
                let by_agent = flow.legs[leg].hops.iter().any(agents);
                let after = by_agent && flow.legs[leg].final_status.is_some_and(|(_, at)| at.0 > over);
                let too = flow.legs[leg].outcome == Outcome::AnsweredTooHungUp;
                (too && !after && caller?.winner.is_some()).then(|| "no".into())
            }
            FactName::Pushable => yes(self.token(leg, at)?),
            FactName::Expires => {
                let sip = sip?;
                let contact = sip.contacts.first().and_then(|contact| contact.param("expires"));
                contact.map(str::to_owned).or_else(|| Some(sip.expires?.to_string()))
            }
            FactName::RegisteredAgo => {
                let last = self.registrations(leg).filter(|time| *time <= said.time).max()?;
                Some((said.time - last).to_string())
            }
            FactName::Platform => {
                let known = flow.legs[leg].platform.clone();
                let bound = self.bindings(leg).max_by_key(|binding| binding.time);
                let bound = bound.into_iter().filter_map(|binding| binding.user_agent.as_deref());
                let known = known.or_else(|| bound.filter_map(message::legs::platform).map(str::to_owned).next());
                known.or_else(|| self.by_provider(leg))
            }
            FactName::PushProvider => said.message.facts.push.as_ref()?.provider.clone(),
            FactName::Transport => Some(sip?.vias.first()?.transport.to_ascii_lowercase()),
            FactName::Reason => sip?.reasons.first().cloned(),
            FactName::FromHost => Some(flow.nodes[said.from].name.clone()),
            FactName::ToHost => Some(flow.nodes[said.to].name.clone()),
            FactName::Device | FactName::AppVersion | FactName::Header(_) | FactName::Json(_) => None,
        }
    }

    /// Two gateways push to one platform each.
    fn by_provider(&self, leg: usize) -> Option<String> {
        let of_leg = (0..self.rows.len()).filter(|at| self.rows[*at].leg == leg);
        let pushes = of_leg.filter_map(|at| self.rows[at].message.facts.push.as_ref()?.provider.as_deref());
        let platforms = pushes.filter_map(|provider| match provider {
            "apns" => Some("ios"),
            "hms" => Some("android"),
            _ => None,
        });
        platforms.map(str::to_owned).next()
    }

    /// Times at which a device registered.
    fn registrations(&self, leg: usize) -> impl Iterator<Item = i64> {
        let rows = (0..self.rows.len()).filter(move |at| self.rows[*at].leg == leg);
        let registers = rows.filter(|at| self.rows[*at].request && self.rows[*at].is("REGISTER"));
        registers.map(|at| self.rows[at].time).chain(self.bindings(leg).map(|binding| binding.time.0))
    }

    /// Registrations of a leg's device before the scenario.
    pub fn bindings(&self, leg: usize) -> impl Iterator<Item = &rule::evidence::Binding> {
        let of_leg = (0..self.rows.len()).filter(|at| self.rows[*at].leg == leg);
        let mut tokens = Vec::new();
        let mut contacts = Vec::new();
        for at in of_leg {
            let facts = &self.rows[at].message.facts;
            tokens.extend(facts.push.as_ref().and_then(|push| push.token.clone()));
            let uri = facts.sip.as_ref().and_then(|sip| sip.request_uri.as_ref()).filter(|_| self.rows[at].request);
            if let Some(uri) = uri {
                tokens.extend(uri.param("pn-prid").map(str::to_owned));
                contacts.push((uri.user.clone(), uri.host.clone(), uri.port));
            }
        }
        self.evidence.bindings.iter().filter(move |binding| {
            binding.token.as_ref().is_some_and(|token| tokens.contains(token)) || contacts.contains(&binding.contact)
        })
    }

    /// Whether its binding holds a push token; none if no binding is known.
    fn token(&self, leg: usize, before: usize) -> Option<bool> {
        // An INVITE goes to the contact that was bound.
        let asked = (0..self.rows.len())
            .filter(|at| self.rows[*at].request && self.rows[*at].is("INVITE") && self.is_of_leg(*at, leg));
        let mut uris = asked.filter_map(|at| self.rows[at].message.facts.sip.as_ref()?.request_uri.as_ref());
        if uris.any(|uri| uri.param("pn-prid").is_some()) {
            return Some(true);
        }
        let mut known = self.bindings(leg).max_by_key(|binding| binding.time).map(|binding| binding.token.is_some());
        for at in 0..before {
            let said = &self.rows[at];
            if self.rows[at].leg == leg && said.request && said.is("REGISTER") && said.kind == Kind::Sip {
                let mut contacts = said.message.facts.sip.iter().flat_map(|sip| &sip.contacts);
                known = Some(contacts.any(|contact| contact.uri.param("pn-prid").is_some()));
            }
        }
        known
    }
}
