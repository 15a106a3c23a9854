//! 1: the caller's side, the devices, what is below what.

use super::*;

impl<'a> Model<'a, '_> {
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

    /// INVITEs to each that is no server.
    pub(super) fn devices_hops(&self) -> BTreeMap<String, Vec<Hop<'a>>> {
        let mut devices: BTreeMap<String, Vec<Hop>> = BTreeMap::new();
        for hop in self.hops() {
            if let Some((_, to)) = self.ends(hop).filter(|(_, to)| !is_server(to)) {
                devices.entry(to).or_default().push(hop);
            }
        }
        devices
    }

    fn pushes(&self) -> impl Iterator<Item = &'a Message> + use<'a> {
        self.messages.iter().filter(|message| message.kind == Kind::Push)
    }

    /// Which device each token is of, and tokens of which nobody can tell.
    pub(super) fn joins(
        &self,
        devices: &BTreeMap<String, Vec<Hop<'a>>>,
    ) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let shows = |device: &String| devices.get(device).is_some_and(|hops| self.shows(hops));
        let mut tokens: BTreeMap<&str, &String> = BTreeMap::new();
        for (device, hops) in devices {
            for hop in hops {
                let uri = self.invite(*hop).and_then(|invite| invite.sip.request_uri.as_ref());
                if let Some(token) = uri.and_then(|uri| uri.param("pn-prid")) {
                    tokens.insert(token, device);
                }
            }
        }
        let registers: Vec<&Said> = self.said.iter().filter(|said| said.is("REGISTER")).collect();
        for said in registers.iter().filter(|said| shows(&said.from)) {
            if let Some(token) = said.sip.contacts[0].uri.param("pn-prid") {
                tokens.insert(token, &said.from);
            }
        }
        let pushed =
            |name: &String| self.pushes().filter_map(token).any(|token| tokens.get(token).copied() == Some(name));
        let mut taken: Vec<&String> = devices.keys().filter(|name| pushed(name)).collect();
        let (mut joined, mut unnamed) = (BTreeMap::new(), BTreeSet::new());
        for message in self.pushes() {
            let (at, token) = (millis(message), token(message).unwrap());
            let accepted =
                message.facts.result.as_ref().and_then(|result| result.status).is_none_or(|status| status < 300);
            if let Some(device) = tokens.get(token).filter(|_| self.on(Rule::TokenJoinsInvite)) {
                joined.insert(token.to_owned(), (*device).clone());
            }
            if joined.contains_key(token) || !accepted {
                continue;
            }
            let first_registered =
                |device: &String| registers.iter().filter(|other| other.from == *device).map(|other| other.at()).min();
            // Else the next that registered a contact which was not bound before is likely meant.
            let likely = registers.iter().filter(|said| said.at() >= at).map(|said| &said.from).find(|device| {
                let invited = devices.get(*device).into_iter().flatten();
                let first = invited.filter_map(|hop| self.invite(*hop)).map(Said::at).min();
                let bound = first.into_iter().chain(first_registered(device)).min();
                shows(device) && !taken.contains(device) && bound.is_none_or(|bound| bound >= at)
            });
            if let Some(device) = likely.filter(|_| self.on(Rule::LikelyJoin)) {
                taken.push(device);
                joined.insert(token.to_owned(), device.clone());
                continue;
            }
            // Or one that registered a new contact without a token, and that nobody invited, may be meant.
            let nameless = registers.iter().any(|said| {
                first_registered(&said.from) >= Some(at)
                    && said.sip.contacts[0].uri.param("pn-prid").is_none()
                    && !taken.contains(&&said.from)
                    && !shows(&said.from)
            });
            if nameless {
                unnamed.insert(token.to_owned());
            }
        }
        (joined, unnamed)
    }

    /// Every device or target that was invited or pushed is a leg of its own.
    pub(super) fn legs(&mut self) {
        let devices = self.devices_hops().into_iter();
        let mut legs: BTreeMap<String, Leg> =
            devices.map(|(name, hops)| (name, Leg { hops, ..Leg::default() })).collect();
        let decided = self.decided();
        for message in self.pushes() {
            let (at, token) = (millis(message), token(message).unwrap());
            let status = message.facts.result.as_ref().and_then(|result| result.status);
            let known = self.whole.joined.get(token);
            let missed = decided.is_some_and(|decided| at > decided) && self.on(Rule::MissedCallOpensNone);
            if known.is_none() && (missed || !self.on(Rule::PushOpensLeg)) {
                continue;
            }
            let name = known.cloned().unwrap_or_else(|| format!("fcm …{}", &token[token.len() - 6..]));
            let leg = legs.entry(name).or_default();
            leg.pushes.push((at, status, token));
            leg.unnamed |= self.whole.unnamed.contains(token) && known.is_none();
        }
        self.legs = legs;
    }

    /// Of an INVITE that is not logged, the Contact of its answers says to whom it went.
    pub(super) fn shows(&self, hops: &[Hop<'a>]) -> bool {
        let mut all = hops.iter().flat_map(|hop| self.of(*hop));
        all.any(|said| said.is("INVITE") || said.answers(101..300))
    }

    /// When the caller got a final answer that is no challenge, on its own hop.
    pub(super) fn decided(&self) -> Option<i64> {
        let roots = self.roots();
        let own = self.said.iter().filter(|said| roots.contains(&(said.call, said.branch)));
        own.filter(|said| said.answers(200..700) && said.status != Some(407)).map(Said::at).min()
    }
}
