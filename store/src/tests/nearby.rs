//! Calls near in time of the same people.

use message::event::CallClass;
use record::time::{SECOND, Timestamp};

use super::fixture::{File, NOON, correlate, says};
use super::store_test;
use crate::scenario::Found;

store_test! {
    async fn calls_of_the_same_people_near_in_time_are_found_on_either_side(store) {
        let mut file = File::new(1);
        file.log(
            &store,
            [
                says("before", 0, "INVITE").people("+1 (202) 555-0100", "bob"),
                says("this", 10, "INVITE").people("+12025550100", "bob"),
                says("back", 12, "INVITE").people("bob", "0012025550100"),
                says("register", 13, "REGISTER").people("bob", "bob").class(CallClass::Registration),
                says("others", 14, "INVITE").people("carol", "dave"),
                says("further", 15, "INVITE").people("bob", "carol"),
                says("late", 900, "INVITE").people("bob", "carol"),
            ],
        )
        .await;
        correlate(&store, 100).await;
        let at = |second: i64| Timestamp(NOON.0 + second * SECOND);
        let found = async |people: &[&str], from, to| {
            let mut calls = Vec::new();
            for row in store.nearby(people, at(from), at(to)).await.unwrap() {
                let Found::Here(scenario) = store.scenario(row.subject.scenario().unwrap()).await.unwrap() else {
                    panic!("merged")
                };
                calls.push(scenario.calls[0].call_id.clone());
            }
            calls
        };
        assert_eq!(found(&["+12025550100", "bob"], 0, 60).await, ["before", "this", "back", "further"]);
        assert_eq!(found(&["+12025550100"], 1, 60).await, ["this", "back"]);
        assert_eq!(found(&["Carol"], 0, 900).await, ["others", "further", "late"]);
        assert!(found(&["nobody", ""], 0, 900).await.is_empty());
        assert!(found(&[], 0, 900).await.is_empty());
    }
}
