//! What a ladder looks like, and what it never loses.

use insta::assert_snapshot;
use message::flow::{Branch, Fork};
use proptest::prelude::*;
use record::id::MessageId;
use record::time::{DAY, Timestamp};
use rule::told::Seen;

use super::sample::{NOON, Sample, forked_call, told};
use super::view::RowId;
use super::*;

fn draw(sample: &Sample, query: &str) -> String {
    text::draw(&layout(&sample.flow, &sample.messages, &[], &View::parse(query)))
}

fn id_of(sample: &Sample, row: usize) -> RowId {
    RowId::new(sample.messages[sample.flow.rows[row].message].id, sample.flow.rows[row].half)
}

#[test]
fn a_forked_call_is_drawn_as_in_the_design() {
    assert_snapshot!(draw(&forked_call(), ""), @"
                                ‹alice›                                       ‹servers›                                                       ‹bob, 3 devices›
                               alice-ios            sbc-1             proxy-1             api-1             push-gw            bob-ios            bob-web            bob-desk
    01.102 0                       ●A───INVITE sdp───▶│                  │                  │                  │                  ┊                  │                  │
    01.110 +8 ms                   │                  ●A───INVITE sdp───▶│                  │                  │                  ┊                  │                  │   → ⚭ 2 sightings, 4 ms apart
    01.121 +11 ms                  │                  │                  ◆A─POST /v1/route─▶│                  │                  ┊                  │                  │
    01.180 +59 ms                  │                  │                  │◀╌200 OK · 59 ms╌╌◆A                 │                  ┊                  │                  │
                                   │                  │                  ─────────────────────── Fork B1 bob-ios by push, B2 bob-web, B3 bob-desk ───────────────────────
    01.190 +10 ms                  │                  │                 ▲B1─────────────PUSH apns─────────────▶│                  ┊                  │                  │
    01.192 +2 ms                   │                  │                 ●B2────────────────────────────────INVITE sdp───────────────────────────────▶│                  │
    01.193 +1 ms                   │                  │                 ●B3─────────────────────────────────────────INVITE sdp─────────────────────────────────────────▶│   ← ↻ again at +0.5, +1.5 s
    01.260 +67 ms                  │                  │                  │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌180 Ringing╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●B2                 │
    01.262 +2 ms                   │                  │◀╌╌180 Ringing╌╌╌╌●A                 │                  │                  ┊                  │                  │
    01.264 +2 ms                   │◀╌╌180 Ringing╌╌╌╌●A                 │                  │                  │                  ┊                  │                  │   → 162 ms after INVITE
    03.210 +1.95 s!!               │                  │                  │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌180 Ringing╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●B3
                                   │                  │                  │               ~ 10.8 s without messages ~              ┊                  │                  │
    14.001 +10.8 s!!!              │                  │                  │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌200 OK · 12.8 s sdp╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●B2                 │   ← ↻ sent 11 times over 31.5 s
    14.002 +1 ms                   │                  │                 ●B3───────────────────────────────────────────CANCEL───────────────────────────────────────────▶│
    14.004 +2 ms                   │                  │◀╌╌╌200 OK sdp╌╌╌╌●A                 │                  │                  ┊                  │                  │   → 12.9 s after INVITE
    14.006 +2 ms                   │◀╌╌╌200 OK sdp╌╌╌╌●A                 │                  │                  │                  ┊                  │                  │   → 12.9 s after INVITE
    14.018 +12 ms                  │                  │                  │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌200 OK to CANCEL · 16 ms╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●B3
    14.020 +2 ms                   │                  │                  │◀══════════════════════════════487 Request Terminated · 12.8 s═══════════════════════════════●B3
    14.021 +1 ms                   │                  │                 ●B3─────────────────────────────────────────ACK to 487─────────────────────────────────────────▶│
                                   │                  │                  │           ~ 32.0 s with retransmissions only ~         ┊                  │                  │
    46.010 +32.0 s!!!              │                  │                  │◀───────────────────────────────────BYE───────────────────────────────────●B2                 │
    46.012 +2 ms                   │                  │◀──────BYE────────●A                 │                  │                  ┊                  │                  │
    46.014 +2 ms                   │◀──────BYE────────●A                 │                  │                  │                  ┊                  │                  │
    46.071 +57 ms                  ●A╌200 OK · 57 ms╌▶│                  │                  │                  │                  ┊                  │                  │
    46.073 +2 ms                   │                  ●A╌200 OK · 61 ms╌▶│                  │                  │                  ┊                  │                  │
    46.075 +2 ms                   │                  │                 ●B2╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌200 OK · 65 ms╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶│                  │
    ");
}

#[test]
fn a_cancel_that_crosses_an_answer_is_two_rows_and_a_remark() {
    let mut s = Sample::of(&["proxy-1", "bob-desk of bob"]);
    s.leg("A");
    s.leg("B1 bob-desk");
    s.row(0, "B1 proxy-1 > bob-desk INVITE sdp");
    s.row(900, "B1 proxy-1 > bob-desk CANCEL");
    let answer = s.row(901, "B1 bob-desk > proxy-1 200 INVITE OK sdp");
    s.flow.rows[answer].remark = Some("CANCEL crossed 200".into());
    s.row(904, "B1 bob-desk > proxy-1 481 CANCEL Call/Transaction Does Not Exist");
    assert_snapshot!(draw(&s, ""), @"
                                            ‹servers›                                     ‹bob›
                                             proxy-1                                     bob-desk
    00.000 0                                   ●B1────────────────INVITE sdp───────────────▶│
    00.900 +900 ms!                            ●B1──────────────────CANCEL─────────────────▶│
    00.901 +1 ms                                │◀╌╌╌╌╌╌╌╌╌╌╌200 OK · 901 ms sdp╌╌╌╌╌╌╌╌╌╌╌●B1   → CANCEL crossed 200
    00.904 +3 ms                             481 ◀all/Transaction Does Not Exist to CANCEL ●B1 ms
    ");
}

#[test]
fn two_winners_are_told_apart_by_their_legs() {
    let mut s = Sample::of(&["proxy-1", "bob-web of bob", "bob-desk of bob"]);
    for leg in ["A", "B1 bob-web", "B2 bob-desk"] {
        s.leg(leg);
    }
    let first = s.row(0, "B1 proxy-1 > bob-web INVITE sdp");
    s.row(1, "B2 proxy-1 > bob-desk INVITE sdp");
    s.fork(first, "proxy-1", &["B1", "B2"]);
    s.row(4_000, "B1 bob-web > proxy-1 200 INVITE OK sdp");
    s.row(4_003, "B2 bob-desk > proxy-1 200 INVITE OK sdp");
    s.row(4_010, "B2 proxy-1 > bob-desk ACK");
    s.row(4_011, "B2 proxy-1 > bob-desk BYE");
    assert_snapshot!(draw(&s, ""), @"
                                           ‹servers›                                                    ‹bob, 2 devices›
                                            proxy-1                                    bob-web                                    bob-desk
                                               ───────────────────────────── Fork B1 bob-web, B2 bob-desk ────────────────────────────
    00.000 0                                  ●B1───────────────INVITE sdp───────────────▶│                                          │
    00.001 +1 ms                              ●B2─────────────────────────────────────INVITE sdp────────────────────────────────────▶│
    04.000 +4.00 s!!                           │◀╌╌╌╌╌╌╌╌╌╌200 OK · 4.00 s sdp╌╌╌╌╌╌╌╌╌╌╌●B1                                         │
    04.003 +3 ms                               │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌200 OK · 4.00 s sdp╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●B2
    04.010 +7 ms                              ●B2────────────────────────────────────────ACK────────────────────────────────────────▶│
    04.011 +1 ms                              ●B2────────────────────────────────────────BYE────────────────────────────────────────▶│
    ");
}

#[test]
fn a_serial_fork_says_then() {
    let mut s = Sample::of(&["proxy-1", "bob-web of bob", "bob-desk of bob"]);
    for leg in ["A", "B1 bob-web", "B2 bob-desk"] {
        s.leg(leg);
    }
    s.row(0, "B1 proxy-1 > bob-web INVITE");
    let second = s.row(20_000, "B2 proxy-1 > bob-desk INVITE");
    let branch = |leg, node| Branch { leg, node, then: leg == 2, by_push: false };
    s.flow.forks.push(Fork { before: second, node: 0, branches: vec![branch(1, 1), branch(2, 2)] });
    assert_snapshot!(draw(&s, ""), @"
                                           ‹servers›                                                    ‹bob, 2 devices›
                                            proxy-1                                    bob-web                                    bob-desk
    00.000 0                                  ●B1─────────────────INVITE─────────────────▶│                                          │
                                               │                             ~ 20.0 s without messages ~                             │
                                               ────────────────────────── Fork B1 bob-web, then B2 bob-desk ──────────────────────────
    20.000 +20.0 s!!!                         ●B2───────────────────────────────────────INVITE──────────────────────────────────────▶│
    ");
}

#[test]
fn folded_rows_unfold_to_what_was_logged() {
    let mut s = Sample::of(&["sbc-1", "proxy-1", "gw-1"]);
    s.leg("A");
    let row = s.row(0, "A sbc-1 > proxy-1 INVITE sdp");
    s.sighted(row, "proxy-1", 4_000);
    s.repeated(row, 500);
    s.row(600, "A proxy-1 > sbc-1 180 INVITE Ringing");
    assert_snapshot!(draw(&s, ""), @"
                                                                                      ‹servers›
                                             sbc-1                                     proxy-1                                      gw-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │   → ↻ 2 sightings, 4 ms apart, again at +0.5 s
    00.600 +600 ms!                            │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌180 Ringing╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │   → 600 ms after INVITE
    ");
    assert_snapshot!(draw(&s, "fold=0"), @"
                                                                                      ‹servers›
                                             sbc-1                                     proxy-1                                      gw-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │
    00.004 +4 ms                               ●A───────────────INVITE sdp───────────────▶│                                          │   → ⚭ logged by proxy-1 too
    00.500 +496 ms!                            ●A───────────────INVITE sdp───────────────▶│                                          │   → ↻ sent again
    00.600 +100 ms                             │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌180 Ringing╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │   → 600 ms after INVITE
    ");
}

#[test]
fn a_repaired_clock_is_marked_on_row_and_column() {
    let mut s = Sample::of(&["proxy-1", "push-gw", "bob-ios of bob"]);
    s.leg("A");
    s.row(190, "A proxy-1 > push-gw PUSH apns");
    let answer = s.row(300, "A push-gw > proxy-1 200 PUSH accepted");
    s.flow.rows[answer].repaired = true;
    s.flow.nodes[1].clock_shift = 38_000;
    assert_snapshot!(draw(&s, ""), @"
                                                                ‹servers›                                                          ‹bob›
                                            proxy-1                              push-gw clock −38 ms                             bob-ios
    00.190 0                                   ▲A───────────────PUSH apns────────────────▶│                                          │
    00.300 ⌚+110 ms                            │◀╌╌╌╌╌╌╌╌╌200 accepted · 110 ms╌╌╌╌╌╌╌╌╌╌╌●A                                         │   → ⌚ clock of push-gw is 38 ms behind
    ");
}

#[test]
fn a_message_to_itself_is_a_hook() {
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    s.row(0, "A sbc-1 > sbc-1 INVITE");
    s.row(1, "A proxy-1 > proxy-1 INVITE");
    let ladder = layout(&s.flow, &s.messages, &[], &View::default());
    let classes: Vec<String> = ladder.rows().map(|row| format!("{} · {}", row.classes(), row.place())).collect();
    assert_eq!(classes, ["m req self leg1 · s0 e0", "m rev req self leg1 · s1 e1"]);
    assert_snapshot!(text::draw(&ladder), @"
                                                                  ‹servers›
                                              sbc-1                                      proxy-1
    00.000 0                                    ●                                           │   A ↩ INVITE to itself
    00.001 +1 ms                                │                                           ●   A ↩ INVITE to itself
    ");
}

#[test]
fn a_provisional_record_says_that_the_rest_is_not_read() {
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    s.row(0, "A sbc-1 > proxy-1 INVITE");
    let row = s.row(10, "A proxy-1 > sbc-1 200 INVITE OK");
    let message = s.flow.rows[row].message;
    s.messages[message].provisional = true;
    assert_snapshot!(draw(&s, ""), @"
                                                                  ‹servers›
                                              sbc-1                                      proxy-1
    00.000 0                                    ●A──────────────────INVITE─────────────────▶│
    00.010 provisional                          │◀··············200 OK · 10 ms··············●A   → the rest is not read yet
    ");
}

#[test]
fn an_exchange_is_two_rows_without_a_time_between_them() {
    let mut s = Sample::of(&["proxy-1", "api-1"]);
    s.leg("A");
    s.exchange(0, "A proxy-1 > api-1 GET /v1/route?to=bob", Some(200), "OK");
    s.exchange(5_001, "A proxy-1 > api-1 GET http://api-1/v1/route?to=bob", None, "timeout");
    let ladder = layout(&s.flow, &s.messages, &[], &View::default());
    let ids: Vec<String> = ladder.rows().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, ["0000000000000001-0", "0000000000000001-0r", "0000000000000001-1000", "0000000000000001-1000r"]);
    assert_snapshot!(text::draw(&ladder), @"
                                                                  ‹servers›
                                             proxy-1                                      api-1
    00.000 0                                    ◆A──────────────GET /v1/route──────────────▶│
    00.000 same line                            │◀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌200 OK╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌◆A
                                                │        ~ 5.00 s without messages ~        │
    05.001 +5.00 s!!!                           ◆A──────────────GET /v1/route──────────────▶│
    05.001 same line                            │◀╌╌╌╌╌╌╌╌╌╌╌╌no answer timeout╌╌╌╌╌╌╌╌╌╌╌╌╌◆A
    ");
}

#[test]
fn silence_a_new_day_and_a_reinvite_are_rows() {
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    s.row_at(NOON + DAY / 2 - 1_000_000, "A sbc-1 > proxy-1 INVITE");
    s.row_at(NOON + DAY / 2 + 10_000_000, "A sbc-1 > proxy-1 INVITE");
    let sip = s.messages[1].facts.sip.as_mut().unwrap();
    sip.to.as_mut().unwrap().params.push(("tag".into(), "9".into()));
    assert_snapshot!(draw(&s, ""), @"
                                                                  ‹servers›
                                              sbc-1                                      proxy-1
    59.000 0                                    ●A──────────────────INVITE─────────────────▶│
                                                │        ~ 11.0 s without messages ~        │
                                                │               = 2026-09-15 =              │
                                                │          = re-INVITE from sbc-1 =         │
    10.000 +11.0 s!!!                           ●A──────────────────INVITE─────────────────▶│
    ");
    // The same hour is one day elsewhere.
    assert!(!draw(&s, "zone=America/New_York").contains("= 2026"));
}

#[test]
fn the_transaction_of_the_open_row_is_marked() {
    let s = forked_call();
    let desk = s.flow.rows.iter().position(|row| row.leg == 3).unwrap();
    let ladder = layout(&s.flow, &s.messages, &[], &View { open: Some(id_of(&s, desk)), ..View::default() });
    let marked: Vec<String> = ladder
        .rows()
        .filter(|row| row.mark != row::Mark::None)
        .map(|row| format!("{:?} {} {}", row.mark, row.label.strong, row.label.text))
        .collect();
    assert_eq!(
        marked,
        [
            "Open INVITE ",
            "Transaction 180 Ringing",
            "Transaction CANCEL ",
            "Transaction 487 Request Terminated · 12.8 s",
            "Transaction ACK to 487"
        ]
    );
}

fn crowd(devices: usize, others: usize) -> Sample {
    let names: Vec<String> = std::iter::once("proxy-1".to_owned())
        .chain((0..devices).map(|at| format!("bob-{at} of bob")))
        .chain((0..others).map(|at| format!("srv-{at}")))
        .collect();
    let mut s = Sample::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    s.leg("A");
    for at in 0..devices {
        s.row(at as i64, &format!("A proxy-1 > bob-{at} INVITE"));
    }
    for at in 0..others {
        s.row(100 + at as i64, &format!("A proxy-1 > srv-{at} OPTIONS"));
    }
    s
}

#[test]
fn over_12_columns_the_devices_of_a_person_are_one() {
    let s = crowd(3, 9);
    assert_snapshot!(draw(&s, ""), @"
                               ‹servers›            ‹bob›                                                                                        ‹servers›
                                proxy-1              bob               srv-0              srv-1              srv-2              srv-3              srv-4              srv-5              srv-6              srv-7              srv-8
    00.000 0                       ●A─────INVITE─────▶│                  │                  │                  │                  │                  │                  │                  │                  │                  │
    00.001 +1 ms                   ●A─────INVITE─────▶│                  │                  │                  │                  │                  │                  │                  │                  │                  │
    00.002 +1 ms                   ●A─────INVITE─────▶│                  │                  │                  │                  │                  │                  │                  │                  │                  │
    00.100 +98 ms                  ●A──────────────OPTIONS──────────────▶│                  │                  │                  │                  │                  │                  │                  │                  │
    00.101 +1 ms                   ●A───────────────────────OPTIONS────────────────────────▶│                  │                  │                  │                  │                  │                  │                  │
    00.102 +1 ms                   ●A─────────────────────────────────OPTIONS─────────────────────────────────▶│                  │                  │                  │                  │                  │                  │
    00.103 +1 ms                   ●A──────────────────────────────────────────OPTIONS───────────────────────────────────────────▶│                  │                  │                  │                  │                  │
    00.104 +1 ms                   ●A────────────────────────────────────────────────────OPTIONS────────────────────────────────────────────────────▶│                  │                  │                  │                  │
    00.105 +1 ms                   ●A─────────────────────────────────────────────────────────────OPTIONS──────────────────────────────────────────────────────────────▶│                  │                  │                  │
    00.106 +1 ms                   ●A───────────────────────────────────────────────────────────────────────OPTIONS───────────────────────────────────────────────────────────────────────▶│                  │                  │
    00.107 +1 ms                   ●A────────────────────────────────────────────────────────────────────────────────OPTIONS─────────────────────────────────────────────────────────────────────────────────▶│                  │
    00.108 +1 ms                   ●A──────────────────────────────────────────────────────────────────────────────────────────OPTIONS──────────────────────────────────────────────────────────────────────────────────────────▶│
    ");
    let ladder = layout(&s.flow, &s.messages, &[], &View::parse("cols=bob*"));
    assert_eq!(ladder.columns.columns.len(), 13);
    assert!(ladder.classes().ends_with(" many"));
}

#[test]
fn over_64_columns_the_least_busy_are_one_and_no_row_is_lost() {
    let s = crowd(0, 66);
    let ladder = layout(&s.flow, &s.messages, &[], &View::default());
    assert_eq!(ladder.columns.columns.len(), 64);
    assert_eq!(ladder.columns.columns[63].name, "4 more nodes");
    assert_eq!(ladder.rows().count(), 66);
    assert_eq!(ladder.rows().filter(|row| row.to == 63).count(), 4);
}

#[test]
fn a_column_without_a_row_in_view_is_counted_as_hidden() {
    let ladder = layout(&forked_call().flow, &forked_call().messages, &[], &View::parse("leg=B3"));
    let names: Vec<&str> = ladder.columns.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["proxy-1", "bob-desk"]);
    assert_eq!(ladder.columns.hidden, 6);
    assert_eq!((ladder.counts.shown, ladder.counts.total), (6, 25));
}

#[test]
fn columns_stand_in_the_order_of_the_address() {
    let s = crowd(0, 3);
    let ladder = layout(&s.flow, &s.messages, &[], &View::parse("cols=srv-2,proxy-1"));
    let names: Vec<&str> = ladder.columns.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["srv-2", "proxy-1", "srv-0", "srv-1"]);
}

#[test]
fn counts_say_what_each_chip_would_show() {
    let s = forked_call();
    let counts = layout(&s.flow, &s.messages, &[], &View::parse("kind=PUSH")).counts;
    assert_eq!((counts.shown, counts.total), (1, 25));
    assert_eq!(counts.legs, [0, 1, 0, 0]);
    assert_eq!(counts.kinds, [21, 2, 1, 0]);
    assert_eq!(counts.hidden_by, [("kind", 24), ("hide", 1)]);
    assert_eq!(counts.hidden, [("kind", 23), ("100", 1)], "each row once");
}

#[test]
fn the_answer_to_a_push_is_drawn_and_filtered_as_push() {
    let mut s = Sample::of(&["proxy-1", "push-gw"]);
    s.leg("A");
    s.row(0, "A proxy-1 > push-gw PUSH apns");
    let answer = s.row(1, "A push-gw > proxy-1 200 POST OK");
    (s.messages[answer].kind, s.flow.rows[answer].kind) = (Kind::Rest, Kind::Push);
    let ladder = layout(&s.flow, &s.messages, &[], &View::parse("kind=PUSH"));
    assert_eq!(ladder.rows().map(|row| row.kind).collect::<Vec<_>>(), [Kind::Push; 2]);
    assert_eq!(ladder.counts.kinds, [0, 0, 2, 0]);
}

#[test]
fn a_linked_message_is_in_view_whatever_is_hidden() {
    let s = forked_call();
    let trying = s.flow.rows.iter().position(|row| s.messages[row.message].status == Some(100)).unwrap();
    let ladder = layout(&s.flow, &s.messages, &[], &View { open: Some(id_of(&s, trying)), ..View::default() });
    assert_eq!(ladder.counts.shown, 25);
    // A repeat is found in the row it is folded into.
    let repeat = s.flow.rows.iter().find_map(|row| row.repeats.first().copied()).unwrap();
    let open = RowId { message: s.messages[repeat].id, answer: false };
    let ladder = layout(&s.flow, &s.messages, &[], &View { open: Some(open), ..View::default() });
    assert_eq!(ladder.open.map(|(_, message)| message), Some(repeat));
}

#[test]
fn the_page_is_that_of_the_linked_message() {
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    for at in 0..PAGE as i64 + 5 {
        s.row(at, "A sbc-1 > proxy-1 INVITE");
    }
    let last = id_of(&s, PAGE + 4);
    let ladder = layout(&s.flow, &s.messages, &[], &View { open: Some(last), ..View::default() });
    assert_eq!((ladder.page, ladder.pages, ladder.rows().count()), (2, 2, 5));
    let first = layout(&s.flow, &s.messages, &[], &View::default());
    assert_eq!((first.page, first.rows().count(), first.is_long()), (1, PAGE, true));
}

#[test]
fn retransmissions_are_compared_with_the_timers_of_the_rfc() {
    use repeats::{Pace, pace};
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    let mut check = |text: &str, seconds: &[f64], expect: Pace| {
        let row = s.row(0, text);
        let since: Vec<i64> = seconds.iter().map(|at| (at * 1e6) as i64).collect();
        assert_eq!(pace(&s.messages[s.flow.rows[row].message], &since), expect, "{text} {seconds:?}");
    };
    check("A sbc-1 > proxy-1 INVITE", &[0.5, 1.5, 3.5, 7.5, 15.5, 31.5], Pace::Rfc3261);
    check("A sbc-1 > proxy-1 BYE", &[0.5, 1.5, 3.5, 7.5, 11.5, 15.5], Pace::Rfc3261);
    check("A sbc-1 > proxy-1 BYE", &[0.5, 1.5, 3.5, 7.5, 15.5], Pace::Odd);
    check("A proxy-1 > sbc-1 200 INVITE OK", &[0.51, 1.52, 3.53, 7.55, 11.6], Pace::Rfc3261);
    check("A proxy-1 > sbc-1 200 BYE OK", &[0.5], Pace::NoTimer);
    check("A sbc-1 > proxy-1 INVITE", &[0.01], Pace::Odd);
}

proptest! {
    #[test]
    fn no_message_is_lost_or_drawn_twice(
        script in prop::collection::vec((0..4usize, 0..4usize, 0..20_000i64, 0..4usize, 0..3usize), 0..60),
        fold in any::<bool>(),
    ) {
        let mut s = Sample::of(&["n0", "n1", "n2", "n3"]);
        s.leg("A");
        let mut at = 0;
        for (from, to, later, repeats, sightings) in script {
            at += later;
            let row = s.row(at, &format!("A n{from} > n{to} INVITE"));
            (0..repeats).for_each(|n| s.repeated(row, 500 * (n as i64 + 1)));
            (0..sightings).for_each(|n| s.sighted(row, &format!("host-{n}"), 1_000 * n as i64));
        }
        let view = View { fold, ..View::default() };
        let ladder = layout(&s.flow, &s.messages, &[], &view);
        let mut drawn: Vec<MessageId> = Vec::new();
        for row in ladder.rows() {
            drawn.push(row.id.message);
            if fold {
                let of = &s.flow.rows[row.of];
                drawn.extend(entry::folded(of).map(|at| s.messages[at].id));
            }
        }
        let mut stored: Vec<MessageId> = s.messages.iter().map(|message| message.id).collect();
        drawn.sort();
        stored.sort();
        prop_assert_eq!(drawn, stored);
        let times: Vec<Timestamp> = entries(&s.flow, &s.messages, &View { fold, ..View::default() }).iter().map(|entry| entry.time).collect();
        prop_assert!(times.is_sorted());
    }
}

fn answered() -> Sample {
    let mut s = Sample::of(&["alice-ios of alice", "sbc-1", "proxy-1"]);
    s.leg("A");
    s.row(0, "A alice-ios > sbc-1 INVITE sdp");
    s.row(900, "A sbc-1 > alice-ios 200 INVITE OK sdp");
    s.row(37_000, "A alice-ios > sbc-1 ACK");
    s.row(40_000, "A sbc-1 > proxy-1 BYE");
    s
}

#[test]
fn what_never_came_stands_at_its_deadline_and_what_came_late_twice() {
    let s = answered();
    let step = "ack: ACK to device within 32s of answer else no-ack";
    let ack = id_of(&s, 2).message;
    let all = |told: &[Told]| text::draw(&layout(&s.flow, &s.messages, told, &View::default()));
    assert_snapshot!(all(&[told(step, "no-ack", Seen::Missed, None, 32_900)]), @"
                                            ‹alice›                                                        ‹servers›
                                           alice-ios                                    sbc-1                                     proxy-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │
    00.900 +900 ms!                            │◀╌╌╌╌╌╌╌╌╌╌200 OK · 900 ms sdp╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │
                                               │                             ~ 36.1 s without messages ~                             │
    32.900 missing                             │··················✗ ACK··················▶│                                          │   within 32 s of answer, never seen [answered-no-ack.ack.A]
    37.000 +36.1 s!!!                          ●A──────────────────ACK───────────────────▶│                                          │
    40.000 +3.00 s!!                           │                                          ●A──────────────────BYE───────────────────▶│
    ");
    assert_snapshot!(all(&[told(step, "no-ack", Seen::Late, Some(ack), 32_800)]), @"
                                            ‹alice›                                                        ‹servers›
                                           alice-ios                                    sbc-1                                     proxy-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │
    00.900 +900 ms!                            │◀╌╌╌╌╌╌╌╌╌╌200 OK · 900 ms sdp╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │
                                               │                             ~ 36.1 s without messages ~                             │
    32.800 late                                │··················✗ ACK··················▶│                                          │   due, came 4.20 s late [answered-no-ack.ack.A]
    37.000 4.20 s late                         ●A──────────────────ACK───────────────────▶│                                          │   → due 12:00:32.800
    40.000 +3.00 s!!                           │                                          ●A──────────────────BYE───────────────────▶│
    ");
    assert_snapshot!(all(&[told(step, "no-ack", Seen::CannotTell, None, 50_000)]), @"
                                            ‹alice›                                                        ‹servers›
                                           alice-ios                                    sbc-1                                     proxy-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │
    00.900 +900 ms!                            │◀╌╌╌╌╌╌╌╌╌╌200 OK · 900 ms sdp╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │
                                               │                             ~ 36.1 s without messages ~                             │
    37.000 +36.1 s!!!                          ●A──────────────────ACK───────────────────▶│                                          │
    40.000 +3.00 s!!                           │                                          ●A──────────────────BYE───────────────────▶│
    50.000 cannot tell                         │··················✗ ACK··················▶│                                          │   sbc-1 is not known to log ACK [answered-no-ack.ack.A]
    ");
    assert_snapshot!(all(&[told("no BYE before ack else early", "early", Seen::Forbidden, Some(id_of(&s, 3).message), 40_000)]), @"
                                            ‹alice›                                                        ‹servers›
                                           alice-ios                                    sbc-1                                     proxy-1
    00.000 0                                   ●A───────────────INVITE sdp───────────────▶│                                          │
    00.900 +900 ms!                            │◀╌╌╌╌╌╌╌╌╌╌200 OK · 900 ms sdp╌╌╌╌╌╌╌╌╌╌╌╌●A                                         │
                                               │                             ~ 36.1 s without messages ~                             │
    37.000 +36.1 s!!!                          ●A──────────────────ACK───────────────────▶│                                          │
    40.000 not allowed                         │                                          ●A──────────────────BYE───────────────────▶│   ← answered-no-ack: no BYE before ack
    ");
}

#[test]
fn links_of_mails_lead_to_rows_whose_legs_have_other_names_by_now() {
    let s = answered();
    let all = [told("ack: ACK to device within 32s else no-ack", "no-ack", Seen::Missed, None, 32_900)];
    let mut ladder = layout(&s.flow, &s.messages, &all, &View::parse(""));
    let were = ["answered-no-ack.ack.B1", "answered-no-ack.ack.A"].map(str::to_owned).to_vec();
    ladder.keep_places(&[("answered-no-ack.ack.A".to_owned(), were)].into());
    let row = ladder.lines.iter().find_map(|line| match line {
        Line::Unmet(unmet) => Some((unmet.id.as_str(), unmet.was.clone())),
        _ => None,
    });
    assert_eq!(row, Some(("answered-no-ack.ack.A", vec!["answered-no-ack.ack.B1".to_owned()])), "each id once");
}

#[test]
fn rows_of_what_never_came_are_filtered_and_counted_as_the_others() {
    let s = answered();
    let all = [
        told("ack: ACK to device within 32s else no-ack", "no-ack", Seen::Missed, None, 32_900),
        told("ack: ACK to device within 32s else no-ack", "no-ack", Seen::CannotTell, None, 33_900),
    ];
    let ladder = |query: &str| layout(&s.flow, &s.messages, &all, &View::parse(query));
    let ids = |query: &str| {
        let ids = ladder(query).lines.into_iter().filter_map(|line| match line {
            Line::Unmet(unmet) => Some(unmet.id),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(""), ["answered-no-ack.ack.A", "answered-no-ack.ack.A.2"]);
    assert_eq!(ids("only=problems"), ["answered-no-ack.ack.A"]);
    assert_eq!(ids("method=ACK").len(), 2);
    assert_eq!(ids("method=BYE").len() + ids("kind=REST").len() + ids("leg=B1").len() + ids("node=proxy-1").len(), 0);
    let counts = ladder("method=BYE").counts;
    assert_eq!((counts.unmet, counts.problems), ((0, 2), 0));
    assert_eq!(ladder("").counts.problems, 1);
}

#[test]
fn what_came_late_or_is_not_allowed_is_a_problem() {
    let s = answered();
    let step = "ack: ACK to device within 32s of answer else no-ack";
    let rows = |told: &[Told]| {
        let ladder = layout(&s.flow, &s.messages, told, &View::parse("only=problems"));
        (ladder.rows().map(|row| row.label.strong.clone()).collect::<Vec<_>>(), ladder.counts.problems)
    };
    let of = |row: usize| Some(id_of(&s, row).message);
    assert_eq!(rows(&[told(step, "no-ack", Seen::Late, of(2), 32_800)]), (vec!["ACK".to_owned()], 2));
    let forbidden = told("no BYE before ack else early", "early", Seen::Forbidden, of(3), 40_000);
    assert_eq!(rows(&[forbidden]), (vec!["BYE".to_owned()], 1));
    assert_eq!(rows(&[]), (Vec::new(), 0));
}

#[test]
fn a_step_that_got_another_answer_was_refused_and_nothing_is_awaited_after_it() {
    let mut s = Sample::of(&["alice-ios of alice", "sbc-1", "proxy-1"]);
    s.leg("A");
    s.row(0, "A alice-ios > sbc-1 REGISTER");
    s.row(50, "A sbc-1 > alice-ios 401 REGISTER Unauthorized");
    let again = s.row(100, "A alice-ios > sbc-1 REGISTER");
    let mut of = told(
        "final: 2xx REGISTER to device within 2s else register-failed",
        "register-failed",
        Seen::Missed,
        None,
        2_000,
    );
    (of.steps[0].from, of.steps[0].to) = (Some("sbc-1".into()), Some("alice-ios".into()));
    of.start = id_of(&s, 0).message;
    let mut next =
        told("next: INVITE to device within 2s of final else no-invite", "no-invite", Seen::Missed, None, 4_000);
    of.steps.push(next.steps.remove(0));
    let lines = |s: &Sample| {
        let ladder = layout(&s.flow, &s.messages, std::slice::from_ref(&of), &View::default());
        let said: Vec<String> = ladder.rows().filter_map(|row| Some(row.said.as_ref()?.short.clone())).collect();
        let unmet = ladder.lines.iter().filter(|line| matches!(line, Line::Unmet(_))).count();
        (said, unmet)
    };
    // A challenge that was met, and no answer after it.
    assert_eq!(lines(&s), (Vec::new(), 2));
    s.row(150, "A sbc-1 > alice-ios 403 REGISTER Forbidden");
    assert_eq!(lines(&s), (vec!["403 Forbidden".to_owned()], 0));
    s.flow.rows.truncate(again + 1);
    s.row(150, "A sbc-1 > alice-ios 100 REGISTER Trying");
    assert_eq!(lines(&s), (Vec::new(), 2));
}
