//! 1: the caller's side, the devices, what is below what.

use super::*;

impl<'a> Model<'a> {
    /// Hops of the caller's INVITEs: those below no other, in the order in which they were sent.
    pub(super) fn roots(&self) -> Vec<Hop<'a>> {
        let mut roots: Vec<Hop> = Vec::new();
        for hop in self.hops() {
            if self.above(hop).is_none() && hop.0 == self.call {
                roots.push(hop);
            }
        }
        roots
    }

    /// Every INVITE that is logged, or that an answer or the Via of another tells of.
    pub(super) fn hops(&self) -> Vec<Hop<'a>> {
        let mut hops: Vec<Hop> = Vec::new();
        for said in self.said.iter().filter(|said| said.method == "INVITE") {
            for branch in said.above.into_iter().chain([said.branch]) {
                if !hops.contains(&(said.call, branch)) {
                    hops.push((said.call, branch));
                }
            }
        }
        hops
    }

    pub(super) fn of(&self, hop: Hop<'a>) -> impl Iterator<Item = &Said<'a>> {
        self.said.iter().filter(move |said| (said.call, said.branch) == hop)
    }

    pub(super) fn invite(&self, hop: Hop<'a>) -> Option<&Said<'a>> {
        self.of(hop).find(|said| said.is("INVITE"))
    }

    /// From where to where an INVITE went.
    pub(super) fn ends(&self, hop: Hop<'a>) -> Option<(String, String)> {
        let said = self.of(hop).find(|said| said.method == "INVITE")?;
        let ends = (said.from.clone(), said.to.clone());
        Some(if said.status.is_some() { (ends.1, ends.0) } else { ends })
    }

    /// The hop that an INVITE was made of: by its Via, or since an agent made it of the caller's.
    pub(super) fn above(&self, hop: Hop<'a>) -> Option<Hop<'a>> {
        if let Some(above) = self.of(hop).find_map(|said| said.above.filter(|_| said.method == "INVITE")) {
            return Some((hop.0, above));
        }
        let invite = self.invite(hop).filter(|invite| invite.call != self.call)?;
        let mut came = self.said.iter().rev().filter(|said| said.is("INVITE") && said.to == invite.from);
        came.find(|said| said.call == self.call && said.at() <= invite.at()).map(|said| (said.call, said.branch))
    }

    pub(super) fn below(&self, level: &[Hop<'a>]) -> Vec<Hop<'a>> {
        let mut below = self.hops();
        below.retain(|hop| self.above(*hop).is_some_and(|above| level.contains(&above)));
        below
    }

    /// Every device or target that was invited or pushed is a leg of its own.
    pub(super) fn legs(&mut self) {
        let mut legs: BTreeMap<String, Leg> = BTreeMap::new();
        let mut tokens: BTreeMap<&str, String> = BTreeMap::new();
        for hop in self.hops() {
            let Some((_, to)) = self.ends(hop).filter(|(_, to)| !is_server(to)) else { continue };
            let uri = self.invite(hop).and_then(|invite| invite.sip.request_uri.as_ref());
            if let Some(token) = uri.and_then(|uri| uri.param("pn-prid")) {
                tokens.insert(token, to.clone());
            }
            legs.entry(to).or_default().hops.push(hop);
        }
        let registers: Vec<&Said> = self.said.iter().filter(|said| said.is("REGISTER")).collect();
        for said in registers.iter().filter(|said| legs.get(&said.from).is_some_and(|leg| self.shows(leg))) {
            if let Some(token) = said.sip.contacts[0].uri.param("pn-prid") {
                tokens.insert(token, said.from.clone());
            }
        }
        let decided = self.decided();
        let pushes = || self.messages.iter().filter(|message| message.kind == Kind::Push);
        let pushed =
            |name: &String| pushes().filter_map(|push| token(push)).any(|token| tokens.get(token) == Some(name));
        let mut taken: Vec<String> = legs.keys().filter(|name| pushed(name)).cloned().collect();
        for message in pushes() {
            let (at, facts) = (millis(message), &message.facts);
            let token = token(message).unwrap();
            let status = facts.result.as_ref().and_then(|result| result.status);
            let known = tokens.get(token).filter(|_| self.on(Rule::TokenJoinsInvite));
            // Else the next that registered a contact which was not bound before is likely meant.
            let likely = registers.iter().map(|said| (said.at(), &said.from)).find(|(registered, device)| {
                let invited = legs.get(*device).into_iter().flat_map(|leg| &leg.hops);
                let first = invited.filter_map(|hop| self.invite(*hop)).map(Said::at).min();
                *registered >= at
                    && legs.get(*device).is_some_and(|leg| self.shows(leg))
                    && !taken.contains(device)
                    && first.is_none_or(|first| first >= at)
            });
            let likely = likely.filter(|_| status.is_none_or(|status| status < 300) && self.on(Rule::LikelyJoin));
            let known = known.or(likely.map(|(_, device)| device));
            taken.extend(known.cloned());
            let missed = decided.is_some_and(|decided| at > decided) && self.on(Rule::MissedCallOpensNone);
            if known.is_none() && (missed || !self.on(Rule::PushOpensLeg)) {
                continue;
            }
            // Or one that registered a new contact without a token, and that nobody invited, may be meant.
            let unnamed = registers.iter().any(|said| {
                let first = registers.iter().filter(|other| other.from == said.from).map(|other| other.at()).min();
                first >= Some(at)
                    && said.sip.contacts[0].uri.param("pn-prid").is_none()
                    && !taken.contains(&said.from)
                    && !legs.get(&said.from).is_some_and(|leg| self.shows(leg))
            });
            let unnamed = unnamed && known.is_none() && status.is_none_or(|status| status < 300);
            let name = known.cloned().unwrap_or_else(|| format!("fcm …{}", &token[token.len() - 6..]));
            let leg = legs.entry(name).or_default();
            leg.pushes.push((at, status, token));
            leg.unnamed |= unnamed;
        }
        self.legs = legs;
    }

    /// Of an INVITE that is not logged, the Contact of its answers says to whom it went.
    pub(super) fn shows(&self, leg: &Leg<'a>) -> bool {
        let mut all = leg.hops.iter().flat_map(|hop| self.of(*hop));
        all.any(|said| said.is("INVITE") || said.answers(101..300))
    }

    /// When the caller got a final answer that is no challenge, on its own hop.
    pub(super) fn decided(&self) -> Option<i64> {
        let roots = self.roots();
        let own = self.said.iter().filter(|said| roots.contains(&(said.call, said.branch)));
        own.filter(|said| said.answers(200..700) && said.status != Some(407)).map(Said::at).min()
    }
}
