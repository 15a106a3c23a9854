//! A log cannot prove the absence of what it never holds: whether a message would be logged if it came.

use message::address::Address;
use message::flow::Log;
use message::kind::Kind;
use record::time::SECOND;
use rule::holds::{Sort, Way, What};
use rule::syntax::{Code, Codes, Pattern, Term};
use rule::words::PUSH;

use super::instances::Instance;
use super::who::Person;
use super::{Case, Sentence};

impl Case<'_> {
    /// Where any one of several would meet the step, one that is known is enough.
    pub fn is_shown(&self, instance: &Instance, counts_from: usize, pattern: &Pattern) -> bool {
        pattern.0.iter().any(|term| self.is_term_shown(instance, counts_from, term))
    }

    fn is_term_shown(&self, instance: &Instance, counts_from: usize, term: &Term) -> bool {
        let flow = self.evidence.flow;
        let classes = classes(term);
        let persons: Vec<(Person, bool)> = [(&term.from, true), (&term.to, false)]
            .into_iter()
            .filter_map(|(who, from)| Some((who.as_ref()?, from)))
            .flat_map(|(who, from)| self.persons(instance, who).into_iter().map(move |person| (person, from)))
            .collect();
        if persons.is_empty() {
            let named = term.from.is_some() || term.to.is_some();
            return !named
                && term.methods.iter().any(|method| self.would_answer(instance, counts_from, method, &classes));
        }
        persons.iter().any(|(person, from)| {
            term.methods.iter().any(|method| match method.as_str() {
                _ if self.is_blind_by_tag(person, *from, term) => false,
                method if method != "REGISTER" && method != PUSH && person.is_node() => {
                    self.node_would_show(person.nodes[0], counts_from, *from, method, &classes)
                }
                "REGISTER" if term.codes.is_none() => self.would_register(instance, person),
                PUSH if term.codes.is_none() => self.anybody_knows(Kind::Push, method, &[What::Request]),
                "INVITE" if person.leg.is_some_and(|leg| flow.legs[leg].hops.is_empty()) => {
                    self.way_of_register_would_show(person, &classes)
                }
                "INVITE" | "CANCEL" => self.hop_would_show(person, method, &classes),
                "ACK" => self.would_acknowledge(instance, counts_from, person, *from),
                "REGISTER" | PUSH => self.would_answer(instance, counts_from, method, &classes),
                _ if term.codes.is_some() && person.ways.is_empty() => {
                    self.would_answer(instance, counts_from, method, &classes)
                }
                _ => self.dialog_would_show(person, *from, method, &classes),
            })
        })
    }

    /// One of these logs is enough.
    fn knows_sort(&self, logs: &[Log], way: Way, kind: Kind, method: &str, what: &[What]) -> bool {
        let holds = || logs.iter().filter_map(|log| self.evidence.holds.get(log));
        what.iter().any(|what| holds().any(|holds| holds.knows(&Sort::new(way, kind, method, *what))))
    }

    /// What a node sends. A proxy passes on; what it makes itself is asked only of what it can make.
    fn sends(&self, logs: &[Log], makes: bool, kind: Kind, method: &str, what: &[What]) -> bool {
        let own = || self.knows_sort(logs, Way::Own, kind, method, what);
        if makes {
            return own();
        }
        self.knows_sort(logs, Way::PassedOn, kind, method, what) && (self.knows(Sentence::OwnOnlyWhatItMakes) || own())
    }

    fn anybody_knows(&self, kind: Kind, method: &str, what: &[What]) -> bool {
        let ways = [Way::In, Way::PassedOn, Way::Own];
        let mut logs = self.evidence.holds.keys().map(std::slice::from_ref);
        logs.any(|log| ways.iter().any(|way| self.knows_sort(log, *way, kind, method, what)))
    }

    fn is_blind_by_tag(&self, person: &Person, from: bool, term: &Term) -> bool {
        let by_tag = person.leg.is_some_and(|leg| self.evidence.flow.legs[leg].by_tag);
        let refusals = |codes: &Codes| codes.0.iter().all(|code| code.range().is_none_or(|(from, _)| from >= 300));
        by_tag && from && term.codes.as_ref().is_some_and(refusals) && self.knows(Sentence::TagOnlyIsBlind)
    }

    /// INVITE, its answers and CANCEL, on the hop nearest to somebody.
    fn hop_would_show(&self, person: &Person, method: &str, classes: &[What]) -> bool {
        let flow = self.evidence.flow;
        let hops = self.nearest(person);
        let last = hops.last().copied();
        hops.into_iter().any(|hop| {
            let Some((one, other)) = flow.hops[hop].ends else { return false };
            let row = flow.hops[hop].row;
            let answers = !classes.contains(&What::Request);
            // Whoever asked again was answered before.
            if answers && last == Some(hop) && row.is_some_and(|row| self.is_repeated_in_vain(row)) {
                return true;
            }
            let (sender, receiver) = if answers { (other, one) } else { (one, other) };
            let itself = [one, other].into_iter().find(|end| person.nodes.contains(end) && self.is_server(*end));
            let asked = |node: usize| itself.is_none_or(|itself| itself == node);
            if asked(receiver) && self.knows_sort(self.logs(receiver), Way::In, Kind::Sip, method, classes) {
                return true;
            }
            let makes = match (answers, method) {
                (true, _) => !flow.hops[hop].children.iter().any(|child| flow.hops[*child].call == flow.hops[hop].call),
                (false, "CANCEL") => true,
                (false, _) => flow.hops[hop].parent.is_none_or(|parent| flow.hops[parent].call != flow.hops[hop].call),
            };
            asked(sender) && self.sends(self.logs(sender), makes, Kind::Sip, method, classes)
        })
    }

    /// A machine by its name: if it logs, its log must show it; else that of the first that talks with it and logs. It may make
    /// what it sends, and pass it on.
    fn node_would_show(&self, node: usize, counts_from: usize, from: bool, method: &str, classes: &[What]) -> bool {
        let others: Vec<usize> = self
            .rows
            .iter()
            .filter(|said| said.from == node || said.to == node)
            .map(|said| if said.from == node { said.to } else { said.from })
            .collect();
        let logs = |other: &&usize| self.is_server(node) || self.is_server(**other);
        let Some(other) = others.iter().find(logs).or(others.first()).copied() else { return false };
        let classes = if method == "ACK" { &[What::AckOfAnswer] } else { classes };
        let asked = if method == "ACK" {
            Some(counts_from).filter(|at| (200..300).contains(&self.rows[*at].status) && self.is_repeated(*at))
        } else {
            let between = |said: &super::rows::Said| [(node, other), (other, node)].contains(&(said.from, said.to));
            let asks = |said: &super::rows::Said| said.request && said.is(method) && between(said);
            let last = self.rows.iter().rposition(asks).filter(|_| !classes.contains(&What::Request));
            last.filter(|at| self.is_repeated_in_vain(*at))
        };
        let (logs, sent) = if self.is_server(node) { (self.logs(node), from) } else { (self.logs(other), !from) };
        let ways: &[Way] = if sent { &[Way::Own, Way::PassedOn] } else { &[Way::In] };
        let of_rest = matches!(method, "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD");
        let kind = if of_rest { Kind::Rest } else { Kind::Sip };
        asked.is_some() || ways.iter().any(|way| self.knows_sort(logs, *way, kind, method, classes))
    }

    /// An answer on the hop of the request that a step counts from, or of the last such request before.
    fn would_answer(&self, instance: &Instance, counts_from: usize, method: &str, classes: &[What]) -> bool {
        let flow = self.evidence.flow;
        let asks = |at: &usize| self.rows[*at].request && self.rows[*at].is(method);
        let request = [Some(counts_from), instance.start].into_iter().flatten().find(asks);
        let request = request.or_else(|| (0..self.rows.len()).rev().filter(|at| instance.own[*at]).find(asks));
        if classes.contains(&What::Request) {
            let kind = if method == PUSH { Kind::Push } else { Kind::Sip };
            return self.anybody_knows(kind, method, classes);
        }
        let Some(request) = request else { return false };
        if self.is_repeated_in_vain(request) {
            return true;
        }
        let (said, row) = (&self.rows[request], &flow.rows[request]);
        let holds = |node: usize| -> Vec<Log> {
            self.logs(node).iter().filter(|log| said.logs.contains(*log)).cloned().collect()
        };
        let got = self.knows_sort(&holds(said.from), Way::In, said.kind, method, classes);
        let makes = row.on_last_hop || said.kind != Kind::Sip;
        got || self.sends(&holds(said.to), makes, said.kind, method, classes)
    }

    /// A request logged 3 times or more over 2 s or more without an answer proves the missing answer.
    fn is_repeated_in_vain(&self, request: usize) -> bool {
        self.is_repeated(request) && self.evidence.flow.rows[request].pair.is_none()
    }

    fn is_repeated(&self, at: usize) -> bool {
        let flow = self.evidence.flow;
        let row = &flow.rows[at];
        let last = row.repeats.iter().map(|message| flow.times[*message]).max();
        let long = last.is_some_and(|last| last.0 - row.time.0 >= 2 * SECOND);
        row.repeats.len() >= 2 && long && self.knows(Sentence::RepetitionIsEvidence)
    }

    fn would_acknowledge(&self, instance: &Instance, counts_from: usize, person: &Person, from: bool) -> bool {
        let answer = [Some(counts_from), instance.start].into_iter().flatten();
        let mut answers = answer.filter(|at| (200..300).contains(&self.rows[*at].status));
        answers.any(|at| self.is_repeated(at)) || self.dialog_would_show(person, from, "ACK", &[What::AckOfAnswer])
    }

    /// Inside a dialog: the logging node nearest to somebody among ends, B2BUAs and Record-Route.
    fn dialog_would_show(&self, person: &Person, from: bool, method: &str, classes: &[What]) -> bool {
        let flow = self.evidence.flow;
        // Of INVITEs one after another the last made the dialog.
        person.ways.last().is_some_and(|way| {
            // From them on: each node, and whether it makes what it sends.
            let mut nodes: Vec<(usize, bool, bool)> = Vec::new();
            for (nth, hop) in way.iter().enumerate() {
                let Some((one, other)) = flow.hops[*hop].ends else { continue };
                let (near, far) = if person.caller.is_some() { (one, other) } else { (other, one) };
                if nodes.is_empty() {
                    nodes.push((near, true, true));
                }
                let next = way.get(nth + 1);
                let is_end = next.is_none();
                let is_agent = next.is_some_and(|next| flow.hops[*next].call != flow.hops[*hop].call);
                nodes.push((far, is_end || is_agent || self.record_routes(far), is_end || is_agent));
            }
            let near = nodes.iter().enumerate().find(|(_, (node, sees, _))| *sees && self.is_server(*node));
            let Some((nth, (node, _, makes))) = near else { return false };
            let logs = self.logs(*node);
            if nth == 0 {
                return if from {
                    self.knows_sort(logs, Way::Own, Kind::Sip, method, classes)
                } else {
                    self.knows_sort(logs, Way::In, Kind::Sip, method, classes)
                };
            }
            if from {
                self.knows_sort(logs, Way::In, Kind::Sip, method, classes)
            } else {
                self.sends(logs, *makes, Kind::Sip, method, classes)
            }
        })
    }

    /// It asked to see what follows.
    fn record_routes(&self, node: usize) -> bool {
        let address = |said: &super::rows::Said| {
            let from = (said.from == node).then(|| Address::read(&said.message.source));
            from.into_iter().chain((said.to == node).then(|| Address::read(&said.message.destination)))
        };
        let own: Vec<Address> = self.rows.iter().flat_map(|said| address(said).collect::<Vec<_>>()).collect();
        let mut routes = self
            .rows
            .iter()
            .filter(|said| said.is("INVITE"))
            .flat_map(|said| said.message.facts.sip.iter().flat_map(|sip| &sip.record_routes));
        routes.any(|route| own.iter().any(|own| own.host == Address::new(&route.uri.host, None).host))
    }

    /// A step that waits for REGISTER needs a device or AOR that a REGISTER has shown before.
    fn would_register(&self, instance: &Instance, person: &Person) -> bool {
        let leg = person.leg.unwrap_or(instance.leg);
        let start = instance.start.unwrap_or_default();
        let before = (0..start).filter(|at| self.rows[*at].leg == leg && self.rows[*at].is("REGISTER"));
        let mut logs = before.flat_map(|at| self.rows[at].logs.iter());
        // A log that showed this device's REGISTER holds such messages.
        logs.next().is_some() || self.bindings(leg).next().is_some()
    }

    /// The way of its device's last REGISTER, reversed: the last node on it that logs. An answer comes back over it.
    fn way_of_register_would_show(&self, person: &Person, classes: &[What]) -> bool {
        let of_leg = |at: &usize| Some(self.rows[*at].leg) == person.leg && self.rows[*at].is("REGISTER");
        let register = (0..self.rows.len()).rfind(|at| of_leg(at) && self.rows[*at].request);
        let Some(register) = register.filter(|_| self.knows(Sentence::WayOfRegister)) else { return false };
        let (device, server) = (self.rows[register].from, self.rows[register].to);
        let device = Some(device).filter(|device| self.is_server(*device));
        let ways: &[Way] = match (device, classes.contains(&What::Request)) {
            (_, true) => &[Way::PassedOn, Way::Own],
            (Some(_), false) => &[Way::Own],
            (None, false) => &[Way::In],
        };
        let logs = self.logs(device.unwrap_or(server));
        ways.iter().any(|way| self.knows_sort(logs, *way, Kind::Sip, "INVITE", classes))
    }
}

fn classes(term: &Term) -> Vec<What> {
    let Some(codes) = &term.codes else { return vec![What::Request] };
    let mut classes = Vec::new();
    for code in &codes.0 {
        match code {
            Code::Range { from, to } => {
                if *from < 200 {
                    classes.push(What::Provisional);
                }
                if *to >= 200 {
                    classes.push(What::Final);
                }
            }
            Code::Named(_) => classes.push(What::Final),
        }
    }
    classes
}
