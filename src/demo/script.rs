//! What the demo plays in three minutes, and what it says of it.

use record::time::SECOND;

use super::call::{Branch, Call};
use super::network::{ALICE, BOB_DESK, BOB_MOBILE, BOB_WEB, CAROL_DESK, CAROL_MOBILE, DAVE, PHONES, Phone};
use super::register::registration;
use super::story::{Line, MS, Story};

/// After so long it starts over: the last alert has come by then.
pub const LENGTH: i64 = 180 * SECOND;

/// One round.
#[derive(Debug)]
pub struct Script {
    /// In the order in which they are logged.
    pub lines: Vec<Line>,
    /// When what is said.
    pub said: Vec<(i64, &'static str)>,
    pub calls: usize,
    /// Of them, those that break.
    pub broken: usize,
}

/// A round whose calls have ids that begin so.
pub fn round(id: &str) -> Script {
    let mut round = Round { id, next: 0, stories: Vec::new(), said: Vec::new(), calls: 0, broken: 0 };
    for (nth, phone) in (0..).zip(PHONES) {
        let id = round.id();
        round.stories.push(registration(id, nth * 200 * MS, phone));
    }
    round.healthy();
    round.refused();
    round.broken();
    round.look_up_fails();
    round.healthy_again();
    let mut lines: Vec<Line> = round.stories.into_iter().flat_map(|story| story.lines).collect();
    lines.sort_by_key(|line| line.at);
    Script { lines, said: round.said, calls: round.calls, broken: round.broken }
}

struct Round<'a> {
    id: &'a str,
    next: u32,
    stories: Vec<Story>,
    said: Vec<(i64, &'static str)>,
    calls: usize,
    broken: usize,
}

impl Round<'_> {
    fn id(&mut self) -> String {
        self.next += 1;
        format!("{}-{}", self.id, self.next)
    }

    fn say(&mut self, at: i64, sentence: &'static str) {
        self.said.push((at * SECOND, sentence));
    }

    /// A call that has come to the core, which knows where it goes.
    fn call(&mut self, at: i64, caller: &'static Phone, user: &str) -> Call {
        Call::begin(self.id(), at * SECOND, caller, user).look_up(Some(200))
    }

    fn add(&mut self, call: Call) {
        self.calls += 1;
        self.stories.push(call.end());
    }

    fn add_broken(&mut self, call: Call) {
        self.broken += 1;
        self.add(call);
    }

    /// One phone rings and is answered, they talk, and one of them hangs up.
    fn answered(&mut self, at: i64, caller: &'static Phone, phone: &'static Phone, rings: i64, talk: i64) {
        let mut call = self.call(at, caller, phone.user);
        let branch = call.ring(call.at, phone);
        let talking = call.answer(call.at + rings * SECOND, &branch);
        call.hang_up(talking + talk * SECOND, &branch, at % 2 == 0, 200);
        self.add(call);
    }

    fn healthy(&mut self) {
        self.say(0, "healthy calls come first: rules judge by what they have seen a server log");
        self.answered(2, &ALICE, &BOB_DESK, 3, 9);
        self.answered(4, &DAVE, &CAROL_DESK, 4, 6);
        self.answered(6, &CAROL_DESK, &DAVE, 2, 12);
        self.say(9, "alice calls bob: two phones ring for 20 s while a push wakes the third; open the newest call and see it grow");
        self.push_wakes(10);
        self.answered(13, &DAVE, &ALICE, 4, 7);
        self.answered(16, &CAROL_DESK, &ALICE, 5, 10);
        self.fork_with_busy(19, &CAROL_DESK);
        self.answered(22, &ALICE, &DAVE, 3, 8);
        self.answered(25, &DAVE, &CAROL_DESK, 4, 6);
        self.answered(28, &BOB_WEB, &DAVE, 2, 5);
        self.answered(31, &ALICE, &CAROL_DESK, 3, 4);
    }

    fn healthy_again(&mut self) {
        self.say(90, "the look-up answers again; what waits for its deadline becomes an alert meanwhile");
        self.fork_with_busy(90, &DAVE);
        self.answered(102, &ALICE, &CAROL_DESK, 3, 10);
        self.answered(107, &DAVE, &BOB_DESK, 4, 14);
        self.push_wakes(112);
        self.answered(117, &CAROL_DESK, &DAVE, 2, 8);
        self.answered(124, &BOB_WEB, &CAROL_DESK, 4, 9);
        self.answered(131, &DAVE, &ALICE, 3, 12);
        self.answered(140, &ALICE, &DAVE, 5, 6);
    }

    /// Two phones ring, a push wakes the third, and that one answers.
    fn push_wakes(&mut self, at: i64) {
        let mut call = self.call(at, &ALICE, "bob");
        let begun = call.at;
        let others = [call.ring(begun, &BOB_DESK), call.ring(begun + MS, &BOB_WEB)];
        call.push(begun + 10 * MS, &BOB_MOBILE);
        let awake = call.wake(begun + 3 * SECOND, &BOB_MOBILE);
        let mobile = call.ring(awake + 5 * MS, &BOB_MOBILE);
        let talking = call.answer(begun + 20 * SECOND, &mobile);
        call.release_others(begun + 20 * SECOND + 20 * MS, &others);
        call.hang_up(talking + 8 * SECOND, &mobile, false, 200);
        self.add(call);
    }

    /// Of two phones one is busy, and the other answers.
    fn fork_with_busy(&mut self, at: i64, caller: &'static Phone) {
        let mut call = self.call(at, caller, "bob");
        let web = call.ring(call.at, &BOB_WEB);
        call.refused_by(call.at + MS, &BOB_DESK, 486);
        let talking = call.answer(call.at + 4 * SECOND, &web);
        call.hang_up(talking + 9 * SECOND, &web, true, 200);
        self.add(call);
    }

    fn refused(&mut self) {
        self.say(
            33,
            "refusals: busy, declined, nobody of that name, given up; they are normal life and nobody's alert",
        );
        let mut busy = self.call(33, &DAVE, "carol");
        let refused = busy.refused_by(busy.at, &CAROL_DESK, 486);
        busy.refuse(refused, 486);
        self.add(busy);

        let mut declined = self.call(36, &ALICE, "dave");
        let branch = declined.ring(declined.at, &DAVE);
        let refused = declined.declined_by(declined.at + 3 * SECOND, &branch, 603);
        declined.refuse(refused, 603);
        self.add(declined);

        let mut unknown = Call::begin(self.id(), 39 * SECOND, &CAROL_DESK, "nobody").look_up(Some(404));
        unknown.refuse(unknown.at, 404);
        self.add(unknown);

        let mut given_up = self.call(41, &DAVE, "bob");
        let ringing: Vec<Branch> =
            vec![given_up.ring(given_up.at, &BOB_DESK), given_up.ring(given_up.at + MS, &BOB_WEB)];
        given_up.give_up(given_up.at + 8 * SECOND, &ringing);
        self.add(given_up);
    }

    fn broken(&mut self) {
        self.say(
            50,
            "bob answers alice, and nobody acknowledges it; rules wait 32 s for an ACK before they call it broken",
        );
        let mut call = self.call(50, &ALICE, "bob");
        let branch = call.ring(call.at, &BOB_DESK);
        call.answer_in_vain(call.at + 3 * SECOND, &branch, true);
        self.add_broken(call);

        self.say(54, "dave hangs up on carol, whose phone has lost its network: nobody answers his BYE");
        let mut call = self.call(54, &DAVE, "carol");
        let branch = call.ring(call.at, &CAROL_DESK);
        let talking = call.answer(call.at + 2 * SECOND, &branch);
        call.hang_up_in_vain(talking + 5 * SECOND, &branch);
        self.add_broken(call);

        self.say(58, "dave answers carol, and the edge loses his answer: she hears it ring and gives up");
        let mut call = self.call(58, &CAROL_DESK, "dave");
        let branch = call.ring(call.at, &DAVE);
        let answered = call.at + 3 * SECOND;
        call.answer_in_vain(answered, &branch, false);
        call.give_up_at_edge(answered + 6 * SECOND);
        self.add_broken(call);

        self.say(62, "alice calls carol, whose mobile a push does not wake");
        let mut call = self.call(62, &ALICE, "carol");
        call.push(call.at, &CAROL_MOBILE);
        call.refuse(call.at + 20 * SECOND, 480);
        self.add_broken(call);
    }

    /// All within a few seconds, so that the cause is reported before what follows from it is.
    fn look_up_fails(&mut self) {
        self.say(70, "the look-up fails, and so do ten calls: one alert tells of all of them");
        let who = [(&ALICE, "dave"), (&DAVE, "bob"), (&BOB_WEB, "alice")];
        for (nth, (caller, user)) in (0..10).zip(who.into_iter().cycle()) {
            let at = 70 * SECOND + nth * 300 * MS;
            let mut call = Call::begin(self.id(), at, caller, user).look_up(None);
            call.refuse(call.at, 500);
            self.add_broken(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_round_is_over_before_the_next_begins_and_shares_no_call_with_it() {
        let ids = |id: &str| -> BTreeSet<String> {
            let script = round(id);
            assert!(script.lines.iter().all(|line| (0..LENGTH - 20 * SECOND).contains(&line.at)));
            let lines = script.lines.iter().flat_map(|line| line.text.lines());
            lines.filter(|line| line.starts_with("Call-ID: ")).map(str::to_owned).collect()
        };
        let (one, other) = (ids("one"), ids("other"));
        assert_eq!(one.len(), other.len());
        assert!(one.is_disjoint(&other));
    }
}
