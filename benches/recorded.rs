//! The recorded log of a proxy, again and again.

const LOG: &str = include_str!("../tests/logs/kamailio.log");
/// Of the recorded Call-IDs.
const CALL_MARKS: [&str; 3] = ["-16783@", "-16821@", "-16934@"];
/// Of one copy.
pub const RECORDS: u64 = 288;
pub const BYTES: usize = LOG.len();

/// A copy whose calls have Call-IDs of its own.
pub fn copy(number: usize) -> String {
    let renamed = |text: String, mark: &str| text.replace(mark, &format!("-{number}x{}", &mark[1..]));
    CALL_MARKS.into_iter().fold(LOG.to_owned(), renamed)
}

/// The Call-ID of its last call.
pub fn last_call(number: usize) -> String {
    format!("1-{number}x16934@127.0.0.1")
}
