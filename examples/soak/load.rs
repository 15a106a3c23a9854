//! What is written, rotated all the time, and its truth: a number of records and the sum of their hashes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::{RATE, ROTATE, wait};

/// Number of records, and the sum of their hashes: in any order.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(pub u64, u64);

impl Sum {
    pub fn add(&mut self, call: &str, body: &[u8]) {
        let digest = Sha256::new().chain_update(call).chain_update(body).finalize();
        let first = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        *self = Sum(self.0 + 1, self.1.wrapping_add(first));
    }
}

/// Writes until the time is over, and rotates by renaming; the last record is followed by one that makes it final.
pub fn write(log: &Path, whole: Duration) -> Sum {
    let (began, mut rotated) = (Instant::now(), Instant::now());
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let (mut sum, mut nth) = (Sum::default(), 0);
    while began.elapsed() < whole {
        let wanted = (began.elapsed().as_secs_f64() * RATE as f64) as usize;
        while nth < wanted {
            record(&mut file, nth, &mut sum);
            nth += 1;
        }
        if rotated.elapsed() > ROTATE {
            rotated = Instant::now();
            file = rotate(log);
        }
        wait(Duration::from_millis(100));
    }
    sum
}

fn rotate(log: &Path) -> File {
    let numbered = |number: usize| PathBuf::from(format!("{}.{number}", log.display()));
    for number in (1..6).rev() {
        let _ = std::fs::rename(numbered(number), numbered(number + 1));
    }
    std::fs::rename(log, numbered(1)).unwrap();
    OpenOptions::new().create(true).append(true).open(log).unwrap()
}

/// Records of calls of six messages, which begin again and again; every twentieth is a large one.
fn record(file: &mut File, nth: usize, sum: &mut Sum) {
    let (call, step) = (nth / 6, nth % 6);
    let (field, start) = match step {
        0 => ("INVITE", "INVITE sip:bob@example.com SIP/2.0"),
        1 => ("180", "SIP/2.0 180 Ringing"),
        2 => ("200", "SIP/2.0 200 OK"),
        3 => ("ACK", "ACK sip:bob@example.com SIP/2.0"),
        4 => ("BYE", "BYE sip:bob@example.com SIP/2.0"),
        _ => ("200", "SIP/2.0 200 OK"),
    };
    let (cseq, method) = if step < 4 { (1, if step == 3 { "ACK" } else { "INVITE" }) } else { (2, "BYE") };
    let id = format!("{call}@soak.example.com");
    let body = "x".repeat(if nth.is_multiple_of(20) { 20_000 } else { nth % 700 });
    let message = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call}-{cseq}\r\nFrom: <sip:alice@example.com>;tag=a{call}\r\n\
         To: <sip:bob@example.com>;tag=b{call}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nX-Nth: {nth}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let (from, to) = if [1, 2, 5].contains(&step) { ("192.0.2.2", "192.0.2.1") } else { ("192.0.2.1", "192.0.2.2") };
    let header = format!("[{}.{:06}][{field}][sip:{from}:5060][sip:{to}:5060]\n", now.as_secs(), now.subsec_micros());
    file.write_all(format!("{header}{message}\n").as_bytes()).unwrap();
    sum.add(&id, message.as_bytes());
}
