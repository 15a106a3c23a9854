//! What is wrong with a message, in words, and the header field that it is about.

use message::sip::Fault;

use super::header::Header;

/// The field a fault is about, by its place in the list; none: the first line, the body, or what is not there.
pub fn field_of(fault: &Fault, headers: &[Header]) -> Option<usize> {
    let named = |name: &str| headers.iter().rposition(|header| header.name.eq_ignore_ascii_case(name));
    match fault.what.as_str() {
        "cseq_mismatch" => named("CSeq"),
        "content_length" | "extra_bytes" => named("Content-Length"),
        _ => headers.iter().position(|header| header.line == fault.at as usize),
    }
}

/// `it names another method than the first line`
pub fn words(fault: &Fault) -> String {
    let says = match fault.what.as_str() {
        "start_line" => "the first line is neither that of a request nor that of an answer",
        "start_line_space" => "the first line has blanks where none belong",
        "version" => "the version is not SIP/2.0",
        "status" => "the status is no number from 100 to 699",
        "request_uri" => "the address in the first line is not written as RFC 3261 asks",
        "header_line" => "this line has no name of a header",
        "header_name" => "the name holds characters that no name may hold",
        "header_block" => "the header fields are longer than 64 KiB: what is behind that is not read",
        "repeated" => "it stands here again: the first one counts",
        "too_many" => "there are more values than are read",
        "uri" => "the address is not written as RFC 3261 asks",
        "bare_uri" => "an address with parameters needs <angle brackets>",
        "host" => "this is no name of a host",
        "ipv6" => "this is no IPv6 address",
        "ipv6_brackets" => "an IPv6 address needs [brackets]",
        "port" => "the port is no number from 1 to 65,535",
        "quote" => "a quotation mark is not closed",
        "angle" => "an angle bracket is not closed",
        "display" => "the name before the address needs \"quotation marks\"",
        "params" => "a parameter is not written as name=value",
        "via" => "it does not say how and by whom the message was sent",
        "branch" => "the branch is empty",
        "call_id" => "it is empty or holds blanks",
        "cseq" => "it is not a number below 2,147,483,648 and a method",
        "cseq_mismatch" => "it names another method than the first line",
        "max_forwards" => "it is no number from 0 to 255",
        "expires" => "it is no number of seconds",
        "retry_after" => "it does not begin with a number of seconds",
        "warning" => "it does not begin with a code of three digits",
        "date" => "the time is not in GMT",
        "content_length" => "it is not the length of the body",
        "extra_bytes" => "more stands behind the body than it says",
        "empty" => "nothing stands in this message",
        "missing_via" => "no Via says where answers go",
        "missing_from" => "it has no From",
        "missing_to" => "it has no To",
        "missing_call_id" => "it has no Call-ID",
        "missing_cseq" => "it has no CSeq",
        "json" => "the body is no JSON that can be read",
        "json_too_long" => "the JSON is longer than is read",
        other => return format!("not as the grammar has it ({other})"),
    };
    says.to_owned()
}

/// A whole sentence, for a view in which the line does not stand: `CSeq: it names another method than the first line.`
pub fn sentence(fault: &Fault, headers: &[Header]) -> String {
    let says = words(fault);
    match field_of(fault, headers) {
        Some(at) => format!("{}: {says}.", headers[at].name),
        None => {
            let mut letters = says.chars();
            letters.next().map_or(says.clone(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        }
    }
}
