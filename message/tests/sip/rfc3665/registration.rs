//! RFC 3665, 2: Bob's registrations, over TLS to a registrar that asks for credentials.

use super::{BOB_HOST, Flow, Path, contact};

const PATH: Path = &["bob", "registrar"];
const REGISTRAR: &str = "sips:registrar.example.org";
const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"example.org\", qop=\"auth\",\n nonce=\"ea9c\",\n opaque=\"\", stale=FALSE, \
     algorithm=MD5\n";
const CREDENTIALS: &str = "Authorization: Digest username=\"bob\", realm=\"example.org\",\n nonce=\"ea9c\", opaque=\"\",\n \
     uri=\"sips:registrar.example.org\",\n response=\"dfe5\"\n";
/// Bob's contacts as a registrar lists them; the second never ends.
const LIST: &str = "Contact: <sip:bob@bob.example.org;transport=tcp>;expires=3600\n\
     Contact: <mailto:bob@example.org>;expires=4294967295\n";

/// A REGISTER and its answer.
fn register(flow: &mut Flow, lines: &str, tag: &'static str, status: &str, answer: &str) {
    flow.tag = "";
    let turn = flow.turn("REGISTER", PATH);
    flow.request(turn, 1, REGISTRAR, lines);
    flow.tag = tag;
    flow.response(turn, 1, status, answer);
}

#[test]
fn rfc3665_2_1_a_successful_new_registration() {
    let mut flow = Flow::recorded_by(&[]);
    register(&mut flow, &contact(BOB_HOST), "r1", "401 Unauthorized", CHALLENGE);
    let lines = format!("{}{CREDENTIALS}", contact(BOB_HOST));
    register(&mut flow, &lines, "r2", "200 OK", &format!("Contact: <{BOB_HOST}>;expires=3600\n"));
    insta::assert_snapshot!(flow.drawn(), @"
    bob → registrar · REGISTER sips:registrar.example.org · 1 REGISTER · a1 - · bob1 · contact sip:bob@bob.example.org;transport=tcp
    registrar → bob · 401 Unauthorized · 1 REGISTER · a1 r1 · bob1
    bob → registrar · REGISTER sips:registrar.example.org · 2 REGISTER · a1 - · bob2 · contact sip:bob@bob.example.org;transport=tcp
    registrar → bob · 200 OK · 2 REGISTER · a1 r2 · bob2 · contact sip:bob@bob.example.org;transport=tcp
    ");
}

#[test]
fn rfc3665_2_2_an_update_of_the_contact_list() {
    let mut flow = Flow::recorded_by(&[]);
    let lines = format!("Contact: mailto:bob@example.org\n{CREDENTIALS}");
    register(&mut flow, &lines, "r1", "200 OK", LIST);
    insta::assert_snapshot!(flow.drawn(), @"
    bob → registrar · REGISTER sips:registrar.example.org · 1 REGISTER · a1 - · bob1 · contact mailto:bob@example.org
    registrar → bob · 200 OK · 1 REGISTER · a1 r1 · bob1 · contact sip:bob@bob.example.org;transport=tcp · contact mailto:bob@example.org
    ");
}

#[test]
fn rfc3665_2_3_a_request_for_the_contact_list() {
    let mut flow = Flow::recorded_by(&[]);
    register(&mut flow, CREDENTIALS, "r1", "200 OK", LIST);
    insta::assert_snapshot!(flow.drawn(), @"
    bob → registrar · REGISTER sips:registrar.example.org · 1 REGISTER · a1 - · bob1
    registrar → bob · 200 OK · 1 REGISTER · a1 r1 · bob1 · contact sip:bob@bob.example.org;transport=tcp · contact mailto:bob@example.org
    ");
}

#[test]
fn rfc3665_2_4_a_cancelled_registration() {
    let mut flow = Flow::recorded_by(&[]);
    register(&mut flow, &format!("Expires: 0\nContact: *\n{CREDENTIALS}"), "r1", "200 OK", "");
    insta::assert_snapshot!(flow.drawn(), @"
    bob → registrar · REGISTER sips:registrar.example.org · 1 REGISTER · a1 - · bob1 · contact * · expires 0
    registrar → bob · 200 OK · 1 REGISTER · a1 r1 · bob1
    ");
}

#[test]
fn rfc3665_2_5_an_unsuccessful_registration() {
    let mut flow = Flow::recorded_by(&[]);
    register(&mut flow, &contact(BOB_HOST), "r1", "401 Unauthorized", CHALLENGE);
    let lines = format!("{}{CREDENTIALS}", contact(BOB_HOST));
    register(&mut flow, &lines, "r1", "401 Unauthorized", CHALLENGE);
    insta::assert_snapshot!(flow.drawn(), @"
    bob → registrar · REGISTER sips:registrar.example.org · 1 REGISTER · a1 - · bob1 · contact sip:bob@bob.example.org;transport=tcp
    registrar → bob · 401 Unauthorized · 1 REGISTER · a1 r1 · bob1
    bob → registrar · REGISTER sips:registrar.example.org · 2 REGISTER · a1 - · bob2 · contact sip:bob@bob.example.org;transport=tcp
    registrar → bob · 401 Unauthorized · 2 REGISTER · a1 r1 · bob2
    ");
}
