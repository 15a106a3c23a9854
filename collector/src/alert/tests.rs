use record::id::MessageId;
use record::time::{MINUTE, SECOND};
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::told::Told;
use rule::verdict::Outcome;
use store::alert::{GroupKey, ItemTold};

use super::*;

/// 2026-11-23 12:00:00 UTC.
const NOON: i64 = 1_795_435_200 * SECOND;

fn at(second: i64) -> Timestamp {
    Timestamp(NOON + second * SECOND)
}

/// A group with its failures, as time goes on: what is decided is kept, as the reporter keeps it.
struct Story {
    group: Group,
    items: Vec<Item>,
    mind: Mind,
    rule: Rule,
    route: Route,
    shares: Shares,
    causes: BTreeSet<(ScenarioId, String)>,
}

impl Story {
    fn new(mail_when: &str) -> Self {
        let built_in = RuleSet::built_in();
        let routes =
            "[[team]]\nname = \"on-call\"\nto = [\"on-call@example.com\"]\n[[route]]\nmatch = {}\nto = [\"on-call\"]\n";
        let routes = Routes::load("routes.toml", routes, &built_in.ids()).expect("routes");
        let text = etc_ack().replace("[rule.says]", &format!("{mail_when}\n[rule.says]"));
        let set = RuleSet::load(&[("20-ack.toml".to_owned(), text)]).expect("rules");
        let rule = set.rules.into_iter().find(|rule| rule.id == "answered-no-ack").expect("it is shipped");
        let key =
            GroupKey { hash: [7; 8], route: 0, env: "prod".into(), rule: rule.id.clone(), failure: "no-ack".into() };
        let group = Group {
            id: 1,
            key,
            severity: Severity::Warning,
            opened: at(0),
            changed: at(0),
            closed: None,
            items: 0,
            mails: 0,
            reported: None,
            state: None,
            lease_until: Timestamp(0),
        };
        let rule = Rule { severity: Severity::Warning, ..rule };
        let route = routes.routes.into_iter().next().expect("a route");
        let (items, mind, shares, causes) = Default::default();
        Self { group, items, mind, rule, route, shares, causes }
    }

    /// These many failed at this second.
    fn fail(&mut self, second: i64, many: usize) -> &mut Self {
        for _ in 0..many {
            let scenario = ScenarioId(self.items.len() as i64 + 1);
            self.items.push(item(scenario, at(second), "no-ack"));
        }
        self.group.changed = at(second);
        self
    }

    /// These many more that began at this second were judged, and so many of them failed.
    fn count(&mut self, second: i64, failed: i64, judged: i64) -> &mut Self {
        let of = self.shares.entry(at(second).0.div_euclid(MINUTE)).or_default();
        *of = (of.0 + failed, of.1 + judged);
        self
    }

    fn become_of(&mut self, nth: usize, state: ItemState, second: i64) {
        (self.items[nth].state, self.items[nth].changed, self.group.changed) = (state, at(second), at(second));
    }

    /// A fact of the one that failed last.
    fn fact(&mut self, name: &str, value: &str) -> &mut Self {
        self.items.last_mut().expect("one").told.facts.push((name.into(), value.into()));
        self
    }

    fn decide(&self, second: i64) -> Decision {
        decide(&Look {
            group: &self.group,
            items: &self.items,
            mind: &self.mind,
            rule: Some(&self.rule),
            route: &self.route,
            shares: &self.shares,
            causes: &self.causes,
            now: at(second),
        })
    }

    /// Until when it rests, without a look at its failures.
    fn rests(&self, second: i64) -> Option<Timestamp> {
        let of = |is_known: bool| self.items.iter().filter(move |item| item.reported.is_some() == is_known);
        let fails = |item: &&Item| item.state == ItemState::Failed;
        let hosts: BTreeSet<&str> = of(true).filter_map(|item| item.told.host()).collect();
        let glance = Glance {
            unreported: of(false).filter(fails).count() as i64,
            new_host: of(false).filter(fails).filter_map(|item| item.told.host()).any(|host| !hosts.contains(host)),
        };
        rests(&self.group, &self.mind, Some(&self.rule), &self.route, &glance, at(second))
    }

    /// Looks at it: the mail as new, continuing, resolved; else when it is looked at next.
    fn look(&mut self, second: i64) -> String {
        let decision = self.decide(second);
        if let Some(until) = self.rests(second) {
            assert!(until > at(second) && decision.mail.is_none() && !decision.closed, "{second}: {decision:?}");
            assert!(decision.due.is_some_and(|due| due >= until), "{second}: it is looked at in time");
        }
        self.mind = decision.mind;
        let next = match (decision.closed, decision.due) {
            (true, _) => "closed".to_owned(),
            (_, Some(due)) => format!("again at {}", (due.0 - NOON) / SECOND),
            _ => "waits".to_owned(),
        };
        let Some(draft) = decision.mail else { return next };
        for nth in draft.reported() {
            self.items[nth].reported = Some(at(second));
        }
        (self.group.mails, self.group.reported) = (self.group.mails + 1, Some(at(second)));
        let Draft { new, continuing, resolved, severity, .. } = draft;
        format!("{severity:?}: {} new, {} continuing, {} resolved; {next}", new.len(), continuing.len(), resolved.len())
    }
}

fn etc_ack() -> String {
    let (_, text) = rule::set::BUILT_IN.into_iter().find(|(name, _)| *name == "20-ack.toml").expect("it is shipped");
    text.to_owned()
}

fn item(scenario: ScenarioId, at: Timestamp, failure: &str) -> Item {
    let told = Told {
        rule: "answered-no-ack".into(),
        version: 1,
        severity: Severity::Warning,
        outcome: Outcome::Failed,
        failure: Some(failure.into()),
        step: None,
        due: Some(at),
        late_by: None,
        leg: "B1".into(),
        target: String::new(),
        nth: None,
        start: MessageId::default(),
        began: at,
        ended: None,
        ending: None,
        steps: Vec::new(),
        why: None,
    };
    let told = ItemTold { caller: None, callee: None, told, also: Vec::new(), facts: Vec::new() };
    let (leg, state) = ("B1".to_owned(), ItemState::Failed);
    Item { scenario, leg, nth: 0, at, seen: at, changed: at, reported: None, state, told }
}

#[test]
fn the_first_mail_waits_for_others_and_the_next_ones_come_less_and_less_often() {
    let mut story = Story::new("");
    assert_eq!(story.fail(0, 1).look(0), "again at 30");
    assert_eq!(story.fail(20, 2).look(20), "again at 30");
    assert_eq!(story.look(30), "Warning: 3 new, 0 continuing, 0 resolved; again at 14420");
    assert_eq!(story.look(60), "again at 14420", "nothing new");
    story.fail(70, 1);
    assert_eq!(story.look(70), "again at 330");
    assert_eq!(story.look(330), "Warning: 1 new, 3 continuing, 0 resolved; again at 14470");
    let mut times = vec![30, 330];
    for second in 331..20_000 {
        story.fail(second, usize::from(second % 100 == 0));
        if story.look(second).contains("new") {
            times.push(second);
        }
    }
    let between: Vec<i64> = times.windows(2).map(|two| (two[1] - two[0]) / 60).collect();
    assert_eq!(between, [5, 10, 20, 40, 60, 60, 60, 60]);
    story.fail(40_000, 1);
    story.look(40_000);
    assert_eq!(story.mind.interval, 5 * MINUTE, "it was quiet");
}

#[test]
fn a_severity_that_is_raised_is_mailed_at_once() {
    let mut story = Story::new("critical_when = \"5 in 10m\"");
    assert_eq!(story.fail(0, 1).look(30), "Warning: 1 new, 0 continuing, 0 resolved; again at 14400");
    assert_eq!(story.fail(60, 1).look(60), "again at 330");
    assert_eq!(story.fail(61, 3).look(61), "Critical: 4 new, 1 continuing, 0 resolved; again at 14461");
    assert_eq!(story.fail(62, 1).look(62), "again at 661");
}

#[test]
fn a_rate_four_times_higher_is_mailed_at_once() {
    let mut story = Story::new("");
    story.fail(0, 1).look(30);
    story.fail(300, 1);
    assert!(story.look(330).starts_with("Warning: 1 new"));
    assert_eq!(story.fail(340, 3).look(360), "again at 930", "three times as often");
    assert!(story.fail(361, 1).look(361).starts_with("Warning: 4 new"));
}

#[test]
fn failures_on_another_host_are_mailed_soon() {
    let mut story = Story::new("");
    story.fail(0, 1).fact("host", "sbc-1").look(30);
    story.fail(40, 1).fact("host", "sbc-1");
    assert_eq!(story.look(40), "again at 330");
    story.fail(45, 1).fact("host", "sbc-2");
    assert_eq!(story.look(45), "again at 60", "others may follow");
    story.fail(50, 1).fact("host", "sbc-3");
    assert_eq!(story.look(60), "Warning: 3 new, 1 continuing, 0 resolved; again at 14450");
    story.fail(100, 1).fact("host", "sbc-2");
    assert_eq!(story.look(100), "again at 660");
}

#[test]
fn what_came_late_before_the_first_mail_is_not_mailed() {
    let mut story = Story::new("");
    story.fail(0, 1).look(0);
    story.become_of(0, ItemState::Late, 10);
    assert_eq!(story.look(30), "closed");
    let mut story = Story::new("");
    story.fail(0, 2).look(0);
    story.become_of(0, ItemState::Late, 10);
    assert_eq!(story.look(30), "Warning: 1 new, 0 continuing, 0 resolved; again at 14410");
    assert_eq!(story.look(1000), "again at 14410");
}

#[test]
fn what_comes_late_after_it_was_mailed_is_listed_as_resolved_once() {
    let mut story = Story::new("");
    story.fail(0, 2).look(30);
    story.become_of(0, ItemState::Late, 40);
    assert_eq!(story.look(40), "again at 330");
    assert_eq!(story.look(330), "Warning: 0 new, 1 continuing, 1 resolved; again at 14440");
    assert_eq!(story.look(2000), "again at 14440");
    story.become_of(1, ItemState::Gone, 2000);
    assert_eq!(story.look(2000), "Warning: 0 new, 0 continuing, 1 resolved; closed");
    let mut story = Story::new("");
    story.route.grouping.resolved = Resolved::Never;
    story.fail(0, 1).look(30);
    story.become_of(0, ItemState::Gone, 40);
    assert_eq!(story.look(2000), "again at 14440");
    assert_eq!(story.look(14440), "closed");
}

#[test]
fn a_group_without_news_for_the_time_of_repeat_is_closed() {
    let mut story = Story::new("");
    story.fail(0, 1).look(30);
    assert_eq!(story.look(14_399), "again at 14400");
    assert_eq!(story.look(14_400), "closed");
    // What is counted over a day stays together that long.
    let mut story = Story::new("mail_when = \"3 in 1d\"");
    assert_eq!(story.fail(0, 2).look(30), "again at 86400");
    assert_eq!(story.fail(50_000, 1).look(50_000), "Warning: 3 new, 0 continuing, 0 resolved; again at 136400");
}

#[test]
fn so_many_in_so_long_are_mailed_all_together_and_fewer_are_not() {
    let mut story = Story::new("mail_when = \"3 in 10m\"");
    assert_eq!(story.fail(0, 1).look(30), "again at 14400");
    story.fail(300, 1);
    assert_eq!(story.fail(601, 1).look(601), "again at 15001", "the first is out of it");
    assert_eq!(story.fail(700, 1).look(700), "Warning: 3 new, 0 continuing, 0 resolved; again at 15100");
    story.become_of(3, ItemState::Late, 710);
    assert_eq!(story.look(1100), "Warning: 0 new, 2 continuing, 1 resolved; again at 15110");
}

#[test]
fn what_fails_per_device_is_counted_by_device() {
    let mut story = Story::new("mail_when = \"3 in 10m per from_host\"");
    for (second, host) in [(0, "a"), (1, "b"), (2, "a"), (3, "b")] {
        story.fail(second, 1).fact("from_host", host);
    }
    story.fail(4, 2);
    assert_eq!(story.look(60), "again at 14404", "what has no host is no host's");
    story.fail(61, 1).fact("from_host", "b");
    let mail = story.decide(61).mail.expect("three of b");
    assert_eq!(mail.new, [1, 3, 6]);
}

#[test]
fn a_share_needs_enough_instances() {
    let mut story = Story::new("mail_when = \"3% in 10m\"\nmin = 50");
    story.fail(0, 2);
    for (failed, judged, is) in [(2, 49, false), (2, 50, true), (2, 66, true), (2, 67, false)] {
        story.shares = Shares::new();
        story.count(0, failed, judged);
        assert_eq!(story.decide(30).mail.is_some(), is, "{failed} of {judged}");
    }
    story.shares = Shares::new();
    story.count(0, 1, 60).count(660, 2, 50);
    let mail = story.fail(660, 1).decide(660).mail.expect("enough");
    assert_eq!(mail.new, [2], "those of the span");
}

#[test]
fn a_burst_of_a_share_is_mailed_however_well_it_goes_while_the_mail_waits() {
    let mut story = Story::new("mail_when = \"5% in 10m\"\nmin = 50");
    story.fail(0, 6).count(0, 6, 100);
    // An hour of healthy traffic, with a failure now and then.
    for minute in 1..60 {
        story.count(minute * 60, i64::from(minute % 20 == 0), 500);
        story.fail(minute * 60, usize::from(minute % 20 == 0));
    }
    let mail = story.decide(3600).mail.expect("it was met");
    assert_eq!(mail.new, [0, 1, 2, 3, 4, 5], "with what met it");
    assert_eq!(story.look(3600), "Warning: 6 new, 0 continuing, 0 resolved; again at 17940");
    assert_eq!(story.fail(3660, 1).count(3660, 1, 500).look(3660), "again at 18060", "it is mailed once");
    // Whoever is as bad again is mailed again.
    let mail = story.fail(5400, 30).count(5400, 30, 500).decide(5400).mail.expect("met again");
    assert_eq!(mail.new.len(), 30);
    assert_eq!(mail.continuing, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_share_is_one_of_those_that_began_together_however_long_each_took_to_fail() {
    let mut story = Story::new("mail_when = \"5% in 10m\"\nmin = 50");
    // They began together, and each is missed an hour later.
    story.fail(3600, 6).count(0, 6, 100).count(3600, 0, 100);
    story.items.iter_mut().for_each(|item| item.told.told.began = at(0));
    assert_eq!(story.decide(3600).mail.expect("six of a hundred").new.len(), 6);
}

#[test]
fn a_cause_hides_its_symptom_in_the_scenarios_in_which_it_is_reported() {
    let mut story = Story::new("");
    story.fail(0, 1).fact("because", "rest-answers");
    story.fail(0, 1).fact("because", "rest-answers");
    assert_eq!(story.decide(30).mail.expect("the cause is below its threshold").new, [0, 1]);
    story.causes.insert((ScenarioId(1), "rest-answers".to_owned()));
    assert_eq!(story.decide(30).mail.expect("the other").new, [1]);
    story.causes.insert((ScenarioId(2), "rest-answers".to_owned()));
    assert_eq!(story.decide(30).mail, None);
}

#[test]
fn a_group_that_goes_on_failing_as_before_is_not_read_until_its_next_mail() {
    let mut story = Story::new("");
    assert_eq!(story.fail(0, 100).fact("host", "sbc-1").rests(0), Some(at(30)), "others may follow");
    assert_eq!(story.rests(30), None);
    story.look(30);
    for second in 31..330 {
        story.fail(second, 3).fact("host", "sbc-1");
        assert_eq!(story.rests(second), Some(at(if second < 60 { 60 } else { 330 })));
        story.look(second);
    }
    assert_eq!(story.fail(330, 1).fact("host", "sbc-2").rests(329), None, "a new host");
    assert_eq!(story.rests(330), None);
    assert!(story.look(330).starts_with("Warning: 898 new"));
    assert_eq!(story.fail(331, 40_000).rests(361), None, "much more often");
    let mut story = Story::new("critical_when = \"5 in 10m\"");
    story.fail(0, 1).look(30);
    assert_eq!(story.fail(40, 1).rests(40), None, "it may be critical");
    story.fail(41, 4).look(41);
    assert_eq!(story.fail(45, 1).rests(45), Some(at(71)), "it is");
}

#[test]
fn no_look_asks_to_be_looked_at_in_the_past_without_a_mail() {
    let mut story = Story::new("mail_when = \"2 in 10m\"");
    for second in 0..2000 {
        story.fail(second * 37, usize::from(second % 7 == 0));
        let decision = story.decide(second * 37);
        let waits = decision.mail.is_none() && !decision.closed;
        assert!(!waits || decision.due.is_some_and(|due| due > at(second * 37)), "{decision:?}");
        assert!(decision.closed == decision.due.is_none());
        story.look(second * 37);
    }
    assert!(story.group.mails > 0);
}
