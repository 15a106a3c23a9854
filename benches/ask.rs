//! A request over loopback, and what comes back of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The answer is still to be read.
pub fn ask(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("asked");
    stream
}

/// From connecting to the first byte, and how many there are in all.
pub fn first_byte(address: &str, path: &str) -> (Duration, usize) {
    let began = Instant::now();
    let mut stream = ask(address, path);
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("a first byte");
    let after = began.elapsed();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the rest");
    assert!(rest.starts_with(b"TTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&rest[..60.min(rest.len())]));
    (after, rest.len())
}
