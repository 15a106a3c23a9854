//! What holds for every case, whatever the rules say of it.

use std::collections::BTreeSet;

use message::flow::flow;
use message::logged::Message;
use record::time::{DAY, SECOND, Timestamp};
use rule::evidence::{Evidence, Read};
use rule::judge;
use rule::verdict::{Outcome, Verdict};

use super::case::case;
use super::cases::{known, names};
use super::world::{class, log_of, read, shipped_rules, told, verdicts};

fn each_case(mut check: impl FnMut(&str, &[Message])) {
    for folder in ["calls", "calls-one-log"] {
        for name in names(folder) {
            check(&name, &case(&name));
        }
    }
}

fn judged(name: &str, messages: &[Message], read: &Read) -> (String, Vec<Verdict>) {
    // What is known beforehand is of the whole case.
    let (bindings, holds) = known(name, &case(name));
    let (flow, verdicts) = verdicts(messages, &bindings, &holds, read);
    (told(&flow, &verdicts), verdicts)
}

/// Numbers that look random and are the same in every run.
fn shuffled(messages: &[Message], seed: u64) -> Vec<Message> {
    let mut messages = messages.to_vec();
    let mut state = seed;
    for last in (1..messages.len()).rev() {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        messages.swap(last, (state % (last as u64 + 1)) as usize);
    }
    messages
}

#[test]
fn any_order_of_arrival_gives_the_same_verdicts() {
    each_case(|name, messages| {
        let expect = judged(name, messages, &read(messages)).0;
        for seed in 1..=3 {
            assert_eq!(judged(name, &shuffled(messages, seed), &read(messages)).0, expect, "{name}");
        }
    });
}

/// A failure that is seen stays one; what is only absent fails no sooner than every log is read beyond its deadline.
#[test]
fn what_is_absent_fails_only_once_all_logs_are_read_beyond_it() {
    each_case(|name, messages| {
        let whole = read(messages);
        let (_, last) = judged(name, messages, &whole);
        let dues: BTreeSet<Timestamp> = last.iter().filter_map(|verdict| verdict.due).collect();
        for due in dues {
            for log in messages.iter().map(log_of).collect::<BTreeSet<_>>() {
                let mut behind = whole.clone();
                // Lines may come 15 s late.
                behind.to.insert(log, Timestamp(due.0 + 14 * SECOND));
                for verdict in judged(name, messages, &behind).1 {
                    let absent = verdict
                        .step
                        .is_some_and(|step| matches!(verdict.steps[step].state, rule::verdict::State::Missed(None)));
                    let early = verdict.due.is_some_and(|own| own >= due);
                    assert!(!(absent && early && verdict.outcome == Outcome::Failed), "{name}: {verdict:?}");
                }
            }
        }
    });
}

#[test]
fn of_a_silent_log_nobody_can_tell_what_is_absent() {
    each_case(|name, messages| {
        let mut silent = read(messages);
        for message in messages {
            silent.to.insert(log_of(message), Timestamp(i64::MIN));
            silent.silent.insert(log_of(message));
        }
        for verdict in judged(name, messages, &silent).1 {
            let absent = verdict
                .step
                .is_some_and(|step| matches!(verdict.steps[step].state, rule::verdict::State::Missed(None)));
            assert!(!absent, "{name}: {verdict:?}");
        }
    });
}

/// A log may leave the configuration of an agent that lives on, or its agent be taken away: what it would have shown is not
/// waited for for ever.
#[test]
fn what_only_silent_logs_could_show_does_not_stay_open() {
    let (rules, defaults) = shipped_rules();
    each_case(|name, messages| {
        let (bindings, holds) = known(name, messages);
        let mut arrived = messages.to_vec();
        arrived.sort_by_key(|message| (message.time, message.id));
        let logs: BTreeSet<_> = arrived.iter().map(log_of).collect();
        for count in (1..=arrived.len()).step_by(1 + arrived.len() / 5) {
            let so_far = &arrived[..count];
            let (flow, class, now) = (flow(so_far), class(so_far), so_far[count - 1].time);
            let open = |read: &Read| -> Vec<Verdict> {
                let evidence =
                    Evidence { flow: &flow, messages: so_far, class, bindings: &bindings, holds: &holds, read };
                let verdicts = judge(rules, defaults, &evidence).into_iter();
                verdicts.filter(|verdict| verdict.outcome == Outcome::Open).collect()
            };
            for log in logs.iter().map(Some).chain([None]) {
                let mut read = read(messages);
                for silent in logs.iter().filter(|other| log.is_none_or(|log| log == *other)) {
                    read.to.insert(silent.clone(), now);
                    read.silent.insert(silent.clone());
                }
                read.clock = Timestamp(now.0 + 2 * DAY);
                assert_eq!(open(&read), [], "{name} after {count}, {log:?} is silent");
                // Nor sooner than it would be given up.
                read.clock = now;
                let only = |verdict: &Verdict| verdict.next.is_some_and(|next| next > now);
                assert!(open(&read).iter().all(only), "{name} after {count}, {log:?} is silent: {:?}", open(&read));
            }
        }
    });
}

/// While a case arrives it never fails for what the rest of it shows.
#[test]
fn a_judgement_after_each_message_never_fails_what_comes_in_time() {
    each_case(|name, messages| {
        let mut arrived = messages.to_vec();
        arrived.sort_by_key(|message| (message.time, message.id));
        let (_, last) = judged(name, messages, &read(messages));
        let failed = |verdicts: &[Verdict]| -> BTreeSet<(String, Option<String>)> {
            // What refuses is seen, and may yet turn out to be what was tried before.
            let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed && verdict.step.is_some());
            failed.map(|verdict| (verdict.rule.clone(), verdict.class.clone())).collect()
        };
        let in_the_end = failed(&last);
        let late = last.iter().filter(|verdict| verdict.outcome == Outcome::Late).count();
        for count in 1..arrived.len() {
            let now = arrived[count - 1].time;
            let mut read = read(messages);
            for to in read.to.values_mut() {
                *to = now;
            }
            let meanwhile = failed(&judged(name, &arrived[..count], &read).1);
            assert!(late > 0 || meanwhile.is_subset(&in_the_end), "{name} after {count}: {meanwhile:?}");
        }
    });
}

#[test]
fn what_is_provisional_fails_ends_and_forbids_nothing() {
    each_case(|name, messages| {
        let mut messages = messages.to_vec();
        for message in &mut messages {
            message.provisional = true;
        }
        let (told, verdicts) = judged(name, &messages, &read(&messages));
        assert!(verdicts.is_empty(), "{name}: {told}");
    });
}

/// Of a log of which nothing is read yet it is not known that it belongs to a call.
#[test]
fn a_log_that_is_late_as_a_whole_raises_no_false_alarm() {
    each_case(|name, messages| {
        let whole = read(messages);
        let (_, last) = judged(name, messages, &whole);
        let stands = |failed: &Verdict| {
            // Which step it was that failed may be seen only then.
            let broken = |verdict: &Verdict| matches!(verdict.outcome, Outcome::Failed | Outcome::Late);
            last.iter().any(|verdict| broken(verdict) && verdict.rule == failed.rule)
        };
        let first = messages.iter().map(|message| message.time).min().unwrap();
        for late in messages.iter().map(log_of).collect::<BTreeSet<_>>() {
            let rest: Vec<Message> = messages.iter().filter(|message| log_of(message) != late).cloned().collect();
            if rest.is_empty() {
                continue;
            }
            let mut read = whole.clone();
            read.to.insert(late.clone(), Timestamp(first.0 - SECOND));
            let (told, verdicts) = judged(name, &rest, &read);
            let absent = verdicts.iter().filter(|verdict| {
                let missed = |step: usize| verdict.steps[step].state == rule::verdict::State::Missed(None);
                verdict.outcome == Outcome::Failed && verdict.step.is_some_and(missed)
            });
            let wrong: Vec<&Verdict> = absent.filter(|verdict| !stands(verdict)).collect();
            assert!(wrong.is_empty(), "{name} without {late:?}:\n{told}");
        }
    });
}
