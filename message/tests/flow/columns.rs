//! Which address is which column, and what stands at its head.

use insta::assert_snapshot;
use message::flow::{NodeKind, flow, flow_named};
use message::logged::Place;

use super::draw::drawn;
use super::story::story;

#[test]
fn a_message_to_itself_stays_in_its_column() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>core INVITE sip:carol@example.com via=c1,a1
         2 core core>carol INVITE sip:carol@192.0.2.30:5060 via=c2,c1,a1 provisional"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | carol (device B1 silent) 192.0.2.30:5060
    A: sip:carol@example.com Open, 2 rows
    B1: carol Open, 1 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  A  #1 10.0.0.2 to itself: INVITE
         2 ms  B1 #2 10.0.0.2 -> carol: INVITE, provisional
    ");
}

#[test]
fn a_machine_under_a_name_and_a_number_is_one_column() {
    assert_snapshot!(drawn(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>sip:core.example.com INVITE sip:bob@example.com via=e1,a1
         2 core sip:10.0.0.1:43210>core INVITE sip:bob@example.com via=e1,a1
         3 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,e1,a1"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server) 
    | core.example.com (server) 
    | bob (device B1 silent) 192.0.2.21:5060
    A: sip:bob@example.com Open, 2 rows
    B1: bob Open, 1 rows
         0 ms  A  #0 alice -> 10.0.0.1: INVITE
         1 ms  A  #1 10.0.0.1 -> core.example.com: INVITE, 2 sightings 1 ms apart
         3 ms  B1 #2 core.example.com -> bob: INVITE
    ");
}

#[test]
fn a_copy_of_a_log_is_of_the_same_machine() {
    let lines = "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>alice 486 INVITE via=a1 tag=c
         2 core alice>core ACK sip:bob@example.com via=a1 tag=c";
    let mut messages = story(lines);
    for mut copy in story(lines) {
        copy.id.stream.0 += 1;
        copy.place = Place { agent: "other".to_owned(), ..(*copy.place).clone() }.into();
        messages.push(copy);
    }
    let flow = flow(&messages);
    let kinds: Vec<_> = flow.nodes.iter().map(|node| (node.name.as_str(), node.kind)).collect();
    assert_eq!(kinds, [("alice", NodeKind::Device), ("10.0.0.2", NodeKind::Server)]);
}

#[test]
fn strangers_of_one_network_share_a_column() {
    assert_snapshot!(drawn(
        "0 edge sip:203.0.113.7>edge OPTIONS sip:edge.example.com via=x1
         1 edge sip:203.0.113.9>edge OPTIONS sip:edge.example.com via=x2
         2 edge sip:198.51.100.9>edge OPTIONS sip:edge.example.com via=x3"
    ), @r"
    | outside: 203.0.113.0/24 (outside) 2 addresses
    | 10.0.0.1 (server) 
    | 198.51.100.9 (outside) outside
    A: sip:bob@example.com Unknown, 10.0.0.1 logs none of its answers, 3 rows
         0 ms  A  #0 outside: 203.0.113.0/24 -> 10.0.0.1: OPTIONS
         1 ms  A  #1 outside: 203.0.113.0/24 -> 10.0.0.1: OPTIONS
         2 ms  A  #2 198.51.100.9 -> 10.0.0.1: OPTIONS
    ");
}

#[test]
fn machines_are_named_by_the_operator() {
    let messages = story("0 core alice>core INVITE sip:bob@example.com via=a1");
    let named = flow_named(&messages, &|source, address| {
        (source == "core" && address.host == "10.0.0.2").then(|| "proxy-1".to_owned())
    });
    assert_eq!(named.nodes[1].name, "proxy-1");
    assert_eq!(named.nodes[1].detail, "10.0.0.2");
}

/// A message that was found without its header line: nobody knows who sent it.
#[test]
fn who_is_not_known_is_neither_a_server_nor_a_device() {
    assert_snapshot!(drawn(
        "0 edge ->- INVITE sip:bob@example.com via=a1
         1 edge edge>alice 180 INVITE via=a1"
    ), @"
    | unknown caller (outside) no address in the log
    | unknown callee (outside B1) no address in the log
    | 10.0.0.1 (server) 
    | 192.0.2.10 (outside) outside
    A: sip:bob@example.com Open, rang 1 ms, 2 rows
    B1: sip:bob@example.com Open, rang 1 ms, 0 rows
         0 ms  A  #0 unknown caller -> unknown callee: INVITE
         1 ms  A  #0 10.0.0.1 -> 192.0.2.10: 180 INVITE
    ");
}
