//! Facts of messages, legs and devices. What is not known compares as false.

use message::facts::SipFacts;
use message::flow::Outcome;
use message::logged::Message;
use message::sip::Uri;
use record::time::Timestamp;

use crate::evidence::Binding;
use crate::ground::Ground;
use crate::instance::{Instance, Of};
use crate::syntax::{Fact, FactName, Op};

/// Bytes of a message in which a header is looked for.
const HEAD: usize = 64 * 1024;
/// Letters of a value that is compared by people.
const LONGEST: usize = 80;

/// What failures may have in common.
const COMMON: [(&str, FactName); 7] = [
    ("push_provider", FactName::PushProvider),
    ("platform", FactName::Platform),
    ("app_version", FactName::AppVersion),
    ("from_host", FactName::FromHost),
    ("to_host", FactName::ToHost),
    ("transport", FactName::Transport),
    ("device", FactName::Device),
];

impl Instance {
    /// What is known of what opened it, for whoever compares failures.
    pub fn facts(&self, ground: &Ground) -> Vec<(String, String)> {
        let known = COMMON.iter().filter_map(|(name, fact)| Some((name, self.fact(ground, self.start, fact)?)));
        known.map(|(name, value)| ((*name).to_owned(), value.chars().take(LONGEST).collect())).collect()
    }

    /// Whether a fact holds of a message, as this instance sees it.
    pub fn has(&self, ground: &Ground, row: usize, fact: &Fact) -> bool {
        let Some(known) = self.fact(ground, row, &fact.name) else { return false };
        let same = |value: &String| value.eq_ignore_ascii_case(&known);
        let ordered = |test: fn(f64, f64) -> bool| {
            let number = |text: &str| text.trim().parse::<f64>().ok();
            fact.values
                .iter()
                .all(|value| number(&known).zip(number(value)).is_some_and(|(known, value)| test(known, value)))
        };
        match fact.op {
            Op::Is => fact.values.iter().any(same),
            Op::IsNot => !fact.values.iter().any(same),
            Op::Less => ordered(|known, value| known < value),
            Op::AtMost => ordered(|known, value| known <= value),
            Op::More => ordered(|known, value| known > value),
            Op::AtLeast => ordered(|known, value| known >= value),
        }
    }

    /// Its value as a rule writes it; none where it is not known.
    pub fn fact(&self, ground: &Ground, at: usize, name: &FactName) -> Option<String> {
        let (flow, row, message) = (ground.flow, &ground.flow.rows[at], ground.message(at));
        let leg = match self.of {
            Of::Leg(leg) => Some(leg),
            _ => Some(row.leg).filter(|leg| flow.legs.get(*leg).is_some_and(|leg| leg.parent.is_some())),
        };
        let yes = |is: bool| Some(if is { "yes" } else { "no" }.to_owned());
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let sip = message.facts.sip.as_deref();
        if let (Of::Registrant(_), Some(sip)) = (self.of, sip)
            && let Some(told) = of_registrant(sip, name)
        {
            return text(&told);
        }
        match name {
            FactName::Scenario => text(ground.evidence.class.name()),
            FactName::Device => leg.and_then(|leg| text(&flow.legs[leg].target)),
            FactName::Initial => {
                let said = &ground.rows[at];
                if said.method == "INVITE" && row.hop.is_some() {
                    return yes(true);
                }
                let request = said.request.map(|request| ground.message(request)).filter(|_| said.response);
                let asks = request.or((!said.response).then_some(message))?;
                yes(asks.facts.sip.as_ref()?.to.as_ref().and_then(|to| to.tag()).is_none_or(str::is_empty))
            }
            FactName::Repeated => yes(!row.repeats.is_empty()),
            FactName::Winner => winner(ground, leg?).and_then(yes),
            FactName::Rang => yes(self.rang(ground, leg)),
            FactName::Pushable => pushable(ground, at, leg?).and_then(yes),
            FactName::Expires => {
                let sip = sip?;
                let of_contact =
                    sip.contacts.iter().filter_map(|contact| contact.param("expires")?.parse::<u32>().ok());
                of_contact.max().or(sip.expires).map(|seconds| seconds.to_string())
            }
            FactName::RegisteredAgo => {
                let last = registered(ground, leg?, ground.time(at))?;
                Some(ground.time(at).micros_since(last).to_string())
            }
            FactName::Platform => platform(ground, at, leg?).and_then(|platform| text(&platform)),
            FactName::AppVersion => user_agent(ground, at, leg?).as_deref().and_then(version).and_then(text),
            FactName::PushProvider => {
                let own = message.facts.push.as_ref();
                let of_leg = || pushes(ground, leg?).find_map(|message| message.facts.push.as_ref());
                text(own.or_else(of_leg)?.provider.as_deref()?)
            }
            FactName::Transport => text(&sip?.vias.first()?.transport.to_ascii_lowercase()),
            FactName::Reason => {
                let told = sip.and_then(|sip| sip.reasons.first()).map(String::as_str);
                text(told.unwrap_or(&message.facts.reason))
            }
            FactName::FromHost => text(&flow.nodes[row.from].name),
            FactName::ToHost => text(&flow.nodes[row.to].name),
            FactName::Header(name) => header(message, name),
            FactName::Json(pointer) => json(message, pointer),
        }
    }

    /// 180 or 183 came, over all the call: of a leg or device from that device, otherwise to the caller.
    fn rang(&self, ground: &Ground, leg: Option<usize>) -> bool {
        let rings = |at: usize| {
            let said = &ground.rows[at];
            said.method == "INVITE" && matches!(said.status, Some(180 | 183))
        };
        match (self.of, leg) {
            (Of::Leg(_), Some(leg)) => (0..ground.rows.len()).any(|at| rings(at) && ground.is_of_leg(at, leg)),
            _ => {
                let callers = self.parties(ground, &crate::syntax::Who::Caller);
                let to = |at: usize| callers.iter().any(|caller| caller.is_end(ground, at, crate::instance::Way::To));
                (0..ground.rows.len()).any(|at| rings(at) && to(at))
            }
        }
    }
}

/// What a REGISTER, or an answer to it, says of its device.
fn of_registrant(sip: &SipFacts, name: &FactName) -> Option<String> {
    let contact = || sip.contacts.iter().find(|contact| contact.uri.text != "*");
    match name {
        FactName::Device => {
            let contact = contact()?;
            let instance =
                contact.param("+sip.instance").map(|instance| instance.trim_matches(['"', '<', '>']).to_owned());
            let Uri { user, host, port, .. } = &contact.uri;
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            Some(instance.unwrap_or_else(|| format!("{user}@{host}{port}")))
        }
        FactName::Platform => Some(message::legs::platform(sip.user_agent.as_deref()?)?.to_ascii_lowercase()),
        FactName::AppVersion => version(sip.user_agent.as_deref()?).map(str::to_owned),
        FactName::Pushable => {
            let token = contact()?.uri.param("pn-prid").is_some_and(|token| !token.is_empty());
            Some(if token { "yes" } else { "no" }.to_owned())
        }
        _ => None,
    }
}

/// Each caller's call has its own. `no` only for one that answered too.
fn winner(ground: &Ground, leg: usize) -> Option<bool> {
    let caller = &ground.flow.course.callers[ground.caller_of(leg)?];
    let won = caller.winner.as_ref()?.leg;
    let up = won.into_iter().flat_map(|won| std::iter::successors(Some(won), |up| ground.flow.legs[*up].parent));
    if up.into_iter().any(|up| up == leg) {
        return Some(true);
    }
    let own = &ground.flow.legs[leg];
    // Below an agent, what answers after the winner hung up took nobody's place.
    let over = caller.connected.and_then(|(_, end)| match end {
        message::flow::End::Bye { time, .. } | message::flow::End::Transferred { time, .. } => Some(time),
        message::flow::End::Open { .. } => None,
    });
    let by_agent = own.hops.iter().any(|hop| ground.is_made_by_agent(*hop));
    let after = over.zip(own.final_status).is_some_and(|(over, (_, at))| by_agent && at > over);
    (own.outcome == Outcome::AnsweredTooHungUp && !after).then_some(false)
}

/// Whether the binding of its device holds a push token.
fn pushable(ground: &Ground, at: usize, leg: usize) -> Option<bool> {
    let token = |uri: &Uri| uri.param("pn-prid").is_some_and(|token| !token.is_empty());
    let asked = ground.flow.legs[leg].hops.iter().filter_map(|hop| ground.flow.hops[*hop].row);
    let mut uris = asked.filter_map(|row| ground.message(row).facts.sip.as_ref()?.request_uri.as_ref());
    if uris.any(token) {
        return Some(true);
    }
    let registers = registers(ground, leg).filter(|row| ground.time(*row) <= ground.time(at));
    let last = registers.last().and_then(|row| ground.message(row).facts.sip.as_deref());
    match (last, binding(ground, leg)) {
        (Some(sip), _) => Some(sip.contacts.iter().any(|contact| token(&contact.uri))),
        (None, Some(binding)) => Some(binding.token.is_some()),
        (None, None) => None,
    }
}

/// Rows of REGISTERs of its device.
pub fn registers<'g>(ground: &'g Ground, leg: usize) -> impl Iterator<Item = usize> + 'g {
    let own = move |at: &usize| {
        let said = &ground.rows[*at];
        said.method == "REGISTER" && !said.response && ground.home[*at] == leg
    };
    (0..ground.rows.len()).filter(own)
}

/// When its device registered last before a time.
fn registered(ground: &Ground, leg: usize, before: Timestamp) -> Option<Timestamp> {
    let seen = registers(ground, leg).map(|row| ground.time(row)).filter(|time| *time < before).max();
    seen.or_else(|| binding(ground, leg).map(|binding| binding.time).filter(|time| *time < before))
}

/// The last registration of its device that is older than the scenario.
pub fn binding<'a>(ground: &Ground<'a>, leg: usize) -> Option<&'a Binding> {
    let asked = ground.flow.legs[leg].hops.iter().filter_map(|hop| ground.flow.hops[*hop].row);
    let uris: Vec<_> = asked.filter_map(|row| ground.message(row).facts.sip.as_ref()?.request_uri.as_ref()).collect();
    let pushed: Vec<_> = pushes(ground, leg).filter_map(|message| message.facts.push.as_ref()).collect();
    let is = |binding: &&Binding| {
        let (user, host, port) = &binding.contact;
        let of_uri = uris.iter().any(|uri| (&uri.user, &uri.host, &uri.port) == (user, host, port));
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let of_push = |push: &&message::facts::PushFacts| {
            let named = push.user.as_deref().is_some_and(|user| message::user::normal(user) == binding.user);
            same(&push.token, &binding.token) || same(&push.device, &binding.instance) || named && push.token.is_none()
        };
        of_uri || pushed.iter().any(of_push)
    };
    ground.evidence.bindings.iter().filter(is).max_by_key(|binding| binding.time)
}

/// Pushes to its device.
fn pushes<'g, 'a>(ground: &'g Ground<'a>, leg: usize) -> impl Iterator<Item = &'a Message> + use<'g, 'a> {
    let own = move |at: &usize| {
        let said = &ground.rows[*at];
        said.method == "PUSH" && !said.response && ground.flow.rows[*at].leg == leg
    };
    (0..ground.rows.len()).filter(own).map(|at| ground.message(at))
}

/// What its device called itself last.
fn user_agent(ground: &Ground, at: usize, leg: usize) -> Option<String> {
    let registers = registers(ground, leg).filter(|row| ground.time(*row) <= ground.time(at));
    let told = registers.filter_map(|row| ground.message(row).facts.sip.as_ref()?.user_agent.clone()).last();
    told.or_else(|| binding(ground, leg)?.user_agent.clone()).or_else(|| ground.flow.legs[leg].user_agent.clone())
}

fn platform(ground: &Ground, at: usize, leg: usize) -> Option<String> {
    let told = user_agent(ground, at, leg);
    let platform = told.as_deref().and_then(message::legs::platform);
    let by_provider = || {
        pushes(ground, leg).filter_map(|message| message.facts.push.as_ref()?.provider.as_deref()).find_map(
            |provider| match provider {
                "apns" => Some("ios"),
                "hms" => Some("android"),
                _ => None,
            },
        )
    };
    platform.or_else(by_provider).map(str::to_ascii_lowercase)
}

/// The first number with a dot: `App 7.4.1 (iPhone15,2)` is 7.4.1.
fn version(user_agent: &str) -> Option<&str> {
    let words = user_agent.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    words
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The first header of a name, with compact names as they are written.
fn header(message: &Message, name: &str) -> Option<String> {
    let body = message.body();
    let text = String::from_utf8_lossy(&body[..body.len().min(HEAD)]);
    let mut lines = text.lines().skip(1).take_while(|line| !line.trim().is_empty());
    lines.find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The value at a JSON pointer of the body.
fn json(message: &Message, pointer: &str) -> Option<String> {
    let body = message.body();
    let from = body.iter().position(|byte| *byte == b'{')?;
    let mut values = serde_json::Deserializer::from_slice(&body[from..]).into_iter::<serde_json::Value>();
    match values.next()?.ok()?.pointer(pointer)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}
