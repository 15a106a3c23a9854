//! RFC 4475, 3.1.2: messages that break the grammar. All that can be understood is, and what is wrong is told.

use crate::margin::{check, line_at, line_of, parties, shown, sip};

/// A request that is right but for the lines given.
fn request(start: &str, lines: &[&str]) -> String {
    let right = [
        ("To", "|To: <sip:bob@example.com>"),
        ("From", "|From: <sip:alice@example.net>;tag=1341"),
        ("Call-ID", "|Call-ID: broken.0ha0isnda@192.0.2.15"),
        ("CSeq", "|CSeq: 8 INVITE"),
        ("Via", "|Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw"),
    ];
    let mut drawn = format!("|{start}\n");
    for line in lines {
        drawn.push_str(&format!("|{line}\n"));
    }
    for (name, line) in right {
        if !lines.iter().any(|given| given.starts_with(name)) {
            drawn.push_str(&format!("{line}\n"));
        }
    }
    drawn.push_str("|\n");
    drawn
}

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0";

#[test]
fn rfc4475_3_1_2_1_extraneous_separators_in_header_fields() {
    let drawn = request(
        INVITE,
        &["Via: SIP/2.0/UDP 192.0.2.15;;,;,,", r#"Contact: "Joe" <sip:joe@example.org>;;;;"#, "Content-Length: 0"],
    );
    let facts = check(&drawn, &["via", "host", "params"]);
    assert_eq!(line_of(&facts, "params", &drawn), r#"Contact: "Joe" <sip:joe@example.org>;;;;"#);
    assert_eq!(line_of(&facts, "via", &drawn), "Via: SIP/2.0/UDP 192.0.2.15;;,;,,");
    let sip = sip(&facts);
    assert_eq!((sip.vias.len(), sip.vias[0].host.as_str()), (1, "192.0.2.15"));
    assert_eq!((sip.contacts.len(), sip.contacts[0].uri.user.as_str()), (1, "joe"));
}

#[test]
fn rfc4475_3_1_2_2_a_content_length_beyond_the_message() {
    let drawn =
        request(INVITE, &["Content-Length: 9999", "Content-Type: application/sdp"]) + "|v=0\n|m=audio 7 RTP/AVP 0\n";
    let facts = check(&drawn, &["content_length"]);
    assert_eq!(sip(&facts).sdp.as_ref().unwrap().media[0].port, 7);
}

#[test]
fn rfc4475_3_1_2_3_a_negative_content_length_or_none_that_is_a_number() {
    for length in ["Content-Length: -999", "Content-Length: five"] {
        let lines = ["CSeq: 0 INVITE", length, "Content-Type: application/sdp"];
        let drawn = request(INVITE, &lines) + "|v=0\n|m=audio 7 RTP/AVP 0\n";
        let facts = check(&drawn, &["content_length"]);
        assert_eq!(line_of(&facts, "content_length", &drawn), length);
        assert_eq!((sip(&facts).cseq, sip(&facts).sdp.as_ref().unwrap().media.len()), (Some(0), 1));
    }
}

#[test]
fn rfc4475_3_1_2_4_a_request_with_overlarge_numbers() {
    let drawn = request(
        "REGISTER sip:example.com SIP/2.0",
        &[
            "CSeq: 36893488147419103232 REGISTER",
            "Max-Forwards: 300",
            "Expires: 10000000000000000000000000000000000000000",
            "Contact: <sip:alice@host129.example.com>",
            "  ;expires=280297596632815",
        ],
    );
    let facts = check(&drawn, &["cseq", "max_forwards", "expires", "expires"]);
    assert_eq!(line_at(&facts.faults[3], &drawn), "Contact: <sip:alice@host129.example.com>");
    let sip = sip(&facts);
    assert_eq!((facts.method.as_str(), sip.cseq, sip.expires), ("REGISTER", None, None));
    assert_eq!(sip.contacts[0].param("expires"), Some("280297596632815"));
}

#[test]
fn rfc4475_3_1_2_5_a_response_with_overlarge_numbers() {
    let drawn = request(
        "SIP/2.0 503 Service Unavailable",
        &[
            "Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
            r#"Warning: 1812 overture "In Progress""#,
        ],
    );
    let facts = check(&drawn, &["cseq", "retry_after", "warning"]);
    assert_eq!((facts.method.as_str(), facts.status, sip(&facts).cseq), ("OPTIONS", Some(503), None));
}

#[test]
fn rfc4475_3_1_2_6_an_unterminated_quoted_display_name() {
    let drawn = request(INVITE, &[r#"To: "Mr. B. Jones <sip:bob@example.com>"#]);
    let facts = check(&drawn, &["quote"]);
    assert_eq!(line_of(&facts, "quote", &drawn), r#"To: "Mr. B. Jones <sip:bob@example.com>"#);
    assert_eq!(parties(&facts), ("alice", "1341", "bob", "-"));
    // Where a name could hold an address too, the last one is that of the header.
    let two = r#"To: "Mr. B. Jones <sip:bob@example.com> <sip:jones@example.net>"#;
    let facts = check(&request(INVITE, &[two]), &["quote"]);
    assert_eq!((parties(&facts).2, shown(&facts)[1].as_str()), ("jones", "jones"));
}

#[test]
fn rfc4475_3_1_2_7_angle_brackets_around_the_request_uri() {
    let facts = check(&request("INVITE <sip:bob@example.com> SIP/2.0", &[]), &["request_uri"]);
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.text.as_str()), ("bob", "<sip:bob@example.com>"));
}

#[test]
fn rfc4475_3_1_2_8_blanks_within_the_request_uri() {
    let lines = ["To: sip:bob@example.com;tag=3xfe-9921883-z9f", "CSeq: 2130706432 INVITE"];
    let facts = check(&request("INVITE sip:bob@example.com; lr SIP/2.0", &lines), &["request_uri"]);
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.param("lr")), ("bob", Some("")));
    assert_eq!((sip(&facts).cseq, parties(&facts).3), (Some(2_130_706_432), "3xfe-9921883-z9f"));
}

#[test]
fn rfc4475_3_1_2_9_several_blanks_in_the_start_line() {
    let facts = check(&request("INVITE  sip:bob@example.com  SIP/2.0", &[]), &["start_line_space"]);
    assert_eq!((facts.method.as_str(), sip(&facts).request_uri.as_ref().unwrap().user.as_str()), ("INVITE", "bob"));
}

#[test]
fn rfc4475_3_1_2_10_blanks_at_the_end_of_the_start_line() {
    let facts = check(&request("OPTIONS sip:bob@example.com SIP/2.0  ", &["CSeq: 8 OPTIONS"]), &["start_line_space"]);
    assert_eq!(facts.method, "OPTIONS");
}

#[test]
fn rfc4475_3_1_2_11_headers_within_the_request_uri() {
    let start = "INVITE sip:bob@example.com?Route=%3Csip:example.com%3E SIP/2.0";
    let facts = check(&request(start, &[]), &["request_uri"]);
    let target = sip(&facts).request_uri.as_ref().unwrap();
    assert_eq!((target.user.as_str(), target.host.as_str()), ("bob", "example.com"));
}

#[test]
fn rfc4475_3_1_2_12_a_date_in_another_time_zone() {
    for zone in ["EST", "UT", "UTC", "UCT"] {
        let date = format!("Date: Fri, 01 Jan 2010 16:00:00 {zone}");
        let drawn = request(INVITE, &[&date]);
        assert_eq!(line_of(&check(&drawn, &["date"]), "date", &drawn), date);
    }
    check(&request(INVITE, &["Date: Fri, 01 Jan 2010 16:00:00 GMT"]), &[]);
}

#[test]
fn rfc4475_3_1_2_13_an_address_that_needs_angle_brackets() {
    let lines = ["CSeq: 1 REGISTER", "Contact: sip:bob@example.com?Route=%3Csip:x.example.com%3E", "l: 0"];
    let facts = check(&request("REGISTER sip:example.com SIP/2.0", &lines), &["bare_uri"]);
    let contact = &sip(&facts).contacts[0].uri;
    assert_eq!((contact.user.as_str(), contact.host.as_str()), ("bob", "example.com"));
}

#[test]
fn rfc4475_3_1_2_14_blanks_within_an_address() {
    let lines =
        [r#"From: "Jones, Alice" <sip:alice@example.com>;tag=43"#, r#"To: "Jones, Bob" < sip:bob@example.org >"#];
    let drawn = request(INVITE, &lines);
    let facts = check(&drawn, &["uri"]);
    assert_eq!(line_of(&facts, "uri", &drawn), lines[1]);
    let to = sip(&facts).to.as_ref().unwrap();
    assert_eq!((to.display.as_str(), to.uri.user.as_str(), to.uri.host.as_str()), ("Jones, Bob", "bob", "example.org"));
}

#[test]
fn rfc4475_3_1_2_15_display_names_that_need_quotes() {
    let lines = ["From:    Jones, Alice <sip:alice@example.com>;tag=43", "To:      Jones, Bob <sip:bob@example.org>"];
    let facts = check(&request(INVITE, &lines), &["display"; 2]);
    assert_eq!(parties(&facts), ("alice", "43", "bob", "-"));
    let names = [&sip(&facts).from, &sip(&facts).to].map(|party| party.as_ref().unwrap().display.as_str());
    assert_eq!(names, ["Jones, Alice", "Jones, Bob"]);
}

#[test]
fn rfc4475_3_1_2_16_an_unknown_protocol_version() {
    let facts = check(
        &request(
            "OPTIONS sip:bob@example.com SIP/7.0",
            &["CSeq:    8 OPTIONS", "Via:     SIP/7.0/UDP c.example.com;branch=z9hG4bKk"],
        ),
        &["version"],
    );
    assert_eq!((facts.method.as_str(), sip(&facts).vias[0].host.as_str()), ("OPTIONS", "c.example.com"));
}

#[test]
fn rfc4475_3_1_2_17_start_line_and_cseq_name_two_methods() {
    let facts = check(&request("OPTIONS sip:bob@example.com SIP/2.0", &["CSeq: 8 INVITE"]), &["cseq_mismatch"]);
    assert_eq!(facts.method, "OPTIONS");
}

#[test]
fn rfc4475_3_1_2_18_an_unknown_method_that_differs_from_cseq() {
    let facts = check(&request("NEWMETHOD sip:bob@example.com SIP/2.0", &["CSeq: 8 INVITE"]), &["cseq_mismatch"]);
    assert_eq!((facts.method.as_str(), sip(&facts).cseq), ("NEWMETHOD", Some(8)));
}

#[test]
fn rfc4475_3_1_2_19_an_overlarge_response_code() {
    let facts = check(&request("SIP/2.0 4294967301 better not break the receiver", &[]), &["status"]);
    assert_eq!((facts.response, facts.status, facts.reason.as_str()), (true, None, "better not break the receiver"));
    assert_eq!(facts.method, "INVITE");
}
