//! Trains the dictionary that messages are compressed with:
//! `cargo run -p store --example train_dictionary -- store/dictionary/N.zdict [LOG…]`.
//! Samples are made here, of many devices, servers and services, and read from logs in Siptrail's format.
//! A dictionary that has been released is never trained again under its number.

use std::fmt::Write;

use sha2::{Digest, Sha256};

const SIZE: usize = 16 * 1024;
const CALLS: u64 = 1500;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next() else {
        return Err(std::io::Error::other("usage: train_dictionary FILE [LOG...]"));
    };
    let mut samples = Vec::new();
    for call in 0..CALLS {
        made(&mut Dice { seed: call, turn: 0 }, &mut samples);
    }
    for log in arguments {
        recorded(&String::from_utf8_lossy(&std::fs::read(log)?), &mut samples);
    }
    let bytes: usize = samples.iter().map(Vec::len).sum();
    let dictionary = zstd::dict::from_samples(&samples, SIZE)?;
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &dictionary)?;
    let packed = samples.iter().map(|s| compressor.compress(s).map_or(0, |p| p.len())).sum::<usize>();
    std::fs::write(&target, &dictionary)?;
    eprintln!(
        "{} samples of {} bytes, {} in the dictionary's own packing, on average",
        samples.len(),
        bytes / samples.len(),
        packed / samples.len()
    );
    Ok(())
}

/// Records of a log, each with its header line (its prefix left out).
fn recorded(log: &str, samples: &mut Vec<Vec<u8>>) {
    let is_header = |line: &str| line.trim_end().ends_with(']') && line.matches("][").count() >= 3;
    let mut current: Option<String> = None;
    for line in log.split_inclusive('\n') {
        if is_header(line) {
            samples.extend(current.take().map(String::into_bytes));
            current = Some(line[line.find("][").and_then(|at| line[..at].rfind('[')).unwrap_or(0)..].into());
        } else if let Some(record) = current.as_mut().filter(|record| record.len() < 4096) {
            record.push_str(line);
        }
    }
    samples.extend(current.map(String::into_bytes));
}

/// The same numbers on every machine.
struct Dice {
    seed: u64,
    turn: u64,
}

impl Dice {
    fn roll(&mut self) -> u64 {
        self.turn += 1;
        let hash = Sha256::digest([self.seed.to_be_bytes(), self.turn.to_be_bytes()].concat());
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }

    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = format!("{:016x}{:016x}", self.roll(), self.roll());
        text.truncate(digits);
        text
    }

    fn uuid(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
    }

    fn address(&mut self) -> String {
        match self.below(4) {
            0 => format!("192.0.2.{}", self.below(250)),
            1 => format!("198.51.100.{}", self.below(250)),
            2 => format!("10.{}.{}.{}", self.below(250), self.below(250), self.below(250)),
            _ => format!("203.0.113.{}", self.below(250)),
        }
    }
}

const AGENTS: [&str; 8] = [
    "Kamailio (5.6.2)",
    "Asterisk PBX 20.5.0",
    "FreeSWITCH-mod_sofia/1.10.9-release",
    "Linphone-Desktop/5.1.2",
    "Phone/7.4.1 (iOS 18.1; iPhone15,2)",
    "Phone/7.3.0 (Android 14; Pixel 8)",
    "OpenSIPS (3.4.2)",
    "Yealink SIP-T46U 108.86.0.20",
];
const SUPPORTED: [&str; 4] = ["replaces, outbound, gruu, path", "timer, 100rel, replaces", "replaces, timer", "100rel"];
const ALLOW: [&str; 3] = [
    "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE",
    "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PRACK",
    "PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS",
];

/// The messages of one call, registration or wake-up, as several servers log them.
fn made(dice: &mut Dice, samples: &mut Vec<Vec<u8>>) {
    let (caller, callee) =
        (dice.pick(&["alice", "bob", "carol", "dave"]).to_string(), format!("+1202555{:04}", dice.below(10_000)));
    let domain = dice.pick(&["example.com", "sip.example.com", "example.net", "example.org"]);
    let (a, b, proxy) = (dice.address(), dice.address(), dice.address());
    let call_id = match dice.below(3) {
        0 => format!("{}@{a}", dice.hex(16)),
        1 => dice.uuid(),
        _ => format!("{}-{}@{a}", dice.below(90), dice.below(30_000)),
    };
    let (from_tag, to_tag, cseq) = (dice.hex(8), dice.hex(10), dice.below(3000) + 1);
    let transport = dice.pick(&["UDP", "TCP", "TLS", "WSS"]);
    let agent = dice.pick(&AGENTS);
    let methods: &[&str] = match dice.below(4) {
        0 => &["REGISTER"],
        1 => &["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE"],
        _ => &["INVITE", "PRACK", "ACK", "UPDATE", "BYE", "CANCEL", "REFER", "INFO"],
    };
    for method in methods {
        let branch = dice.hex(16);
        for status in [0, 100, 180, 183, 200, 202, 401, 407, 404, 408, 480, 486, 487, 503, 603] {
            let sensible = match status {
                0 | 200 => true,
                100 | 180 | 183 | 407 | 480 | 486 | 487 | 503 | 603 | 408 | 404 => *method == "INVITE",
                401 => *method == "REGISTER",
                _ => *method == "REFER",
            };
            if !sensible || (*method == "ACK" && status != 0) || (status > 200 && dice.below(3) > 0) {
                continue;
            }
            let crlf = if dice.below(5) == 0 { "\n" } else { "\r\n" };
            let mut text = String::new();
            header(dice, &mut text, method, status, transport, (&a, &proxy));
            let line = |text: &mut String, value: std::fmt::Arguments<'_>| {
                let _ = write!(text, "{value}{crlf}");
            };
            let reason = reason(status);
            if status == 0 {
                line(&mut text, format_args!("{method} sip:{callee}@{domain};user=phone SIP/2.0"));
            } else {
                line(&mut text, format_args!("SIP/2.0 {status} {reason}"));
            }
            let lower = transport.to_lowercase();
            if dice.below(2) == 0 {
                line(
                    &mut text,
                    format_args!("Via: SIP/2.0/{transport} {proxy};branch=z9hG4bK{}.{}.0", dice.hex(4), dice.hex(32)),
                );
            }
            line(
                &mut text,
                format_args!(
                    "Via: SIP/2.0/{transport} {a}:5060;received={a};rport={};branch=z9hG4bK{branch}",
                    1024 + dice.below(60_000)
                ),
            );
            line(&mut text, format_args!("Max-Forwards: {}", 70 - dice.below(4)));
            if dice.below(2) == 0 {
                line(&mut text, format_args!("Record-Route: <sip:{proxy};transport={lower};lr=on;ftag={from_tag}>"));
            }
            line(&mut text, format_args!("From: \"{caller}\" <sip:{caller}@{domain}>;tag={from_tag}"));
            let tag = if status > 100 { format!(";tag={to_tag}") } else { String::new() };
            line(&mut text, format_args!("To: <sip:{callee}@{domain}>{tag}"));
            line(&mut text, format_args!("Call-ID: {call_id}"));
            line(&mut text, format_args!("CSeq: {cseq} {method}"));
            if dice.below(2) == 0 {
                line(
                    &mut text,
                    format_args!(
                        "Contact: <sip:{caller}@{b}:{};transport={lower}>;+sip.instance=\"<urn:uuid:{}>\"",
                        1024 + dice.below(60_000),
                        dice.uuid()
                    ),
                );
            }
            line(&mut text, format_args!("{}: {agent}", if status == 0 { "User-Agent" } else { "Server" }));
            match status {
                401 => line(
                    &mut text,
                    format_args!(
                        "WWW-Authenticate: Digest realm=\"{domain}\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"",
                        dice.hex(32)
                    ),
                ),
                407 => line(
                    &mut text,
                    format_args!(
                        "Proxy-Authenticate: Digest realm=\"{domain}\", nonce=\"{}\", qop=\"auth\"",
                        dice.hex(32)
                    ),
                ),
                0 if dice.below(4) == 0 => {
                    line(&mut text, format_args!("Authorization: ~masked~"));
                    line(&mut text, format_args!("Proxy-Authorization: ~masked~"));
                }
                _ => {}
            }
            match *method {
                "REGISTER" => line(&mut text, format_args!("Expires: {}", dice.pick(&["60", "300", "600", "3600"]))),
                "SUBSCRIBE" | "NOTIFY" => {
                    line(&mut text, format_args!("Event: {}", dice.pick(&["presence", "dialog", "message-summary"])));
                }
                "CANCEL" | "BYE" => line(
                    &mut text,
                    format_args!(
                        "Reason: {}",
                        dice.pick(&[
                            "SIP;cause=200;text=\"Call completed elsewhere\"",
                            "Q.850;cause=16;text=\"Normal call clearing\""
                        ])
                    ),
                ),
                "INVITE" => {
                    line(&mut text, format_args!("Allow: {}", dice.pick(&ALLOW)));
                    line(&mut text, format_args!("Supported: {}", dice.pick(&SUPPORTED)));
                    line(&mut text, format_args!("Session-Expires: 1800;refresher=uac"));
                    line(&mut text, format_args!("P-Asserted-Identity: \"{caller}\" <sip:{caller}@{domain}>"));
                    line(&mut text, format_args!("X-CID: {call_id}"));
                    line(
                        &mut text,
                        format_args!("Session-ID: {};remote=00000000000000000000000000000000", dice.hex(32)),
                    );
                }
                _ => {}
            }
            let body =
                if *method == "INVITE" && matches!(status, 0 | 183 | 200) { sdp(dice, &b) } else { String::new() };
            if !body.is_empty() {
                line(&mut text, format_args!("Content-Type: application/sdp"));
            }
            line(&mut text, format_args!("Content-Length: {}", body.len()));
            let _ = writeln!(text, "{crlf}{body}");
            samples.push(text.into_bytes());
        }
    }
    services(dice, samples, &caller, &callee, &call_id);
}

fn header(dice: &mut Dice, text: &mut String, method: &str, status: u16, transport: &str, (from, to): (&str, &str)) {
    let field = if status == 0 { method.to_owned() } else { status.to_string() };
    let lower = transport.to_lowercase();
    let time = match dice.below(3) {
        0 => format!("17954{:05}.{:06}", dice.below(100_000), dice.below(1_000_000)),
        1 => format!(
            "2026-11-23 {:02}:{:02}:{:02}.{:03}",
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.below(1000)
        ),
        _ => format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            1 + dice.below(30),
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.below(1_000_000)
        ),
    };
    let _ = match dice.below(2) {
        0 => writeln!(text, "[{time}][{field}][sip:{from}:5060;transport={lower}][sip:{to}:5060;transport={lower}]"),
        _ => writeln!(text, "[{time}][{field}][sip:{from}:{}][sip:{to}:5060]", 1024 + dice.below(60_000)),
    };
}

fn sdp(dice: &mut Dice, address: &str) -> String {
    let (port, id) = (10_000 + dice.below(20_000) * 2, dice.below(2_000_000_000));
    let mut sdp = format!("v=0\r\no=- {id} {id} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n");
    if dice.below(2) == 0 {
        let _ = write!(
            sdp,
            "m=audio {port} RTP/AVP 0 8 9 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        );
    } else {
        let _ = write!(
            sdp,
            "m=audio {port} UDP/TLS/RTP/SAVPF 111 0 8 126\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-mux\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=candidate:1 1 udp 2130706431 {address} {port} typ host\r\na=candidate:2 1 udp 1694498815 {} {port} typ srflx raddr {address} rport {port}\r\na=rtcp-fb:111 transport-cc\r\na=sendrecv\r\n",
            dice.hex(4),
            dice.hex(24),
            dice.hex(32),
            dice.address()
        );
    }
    sdp
}

/// REST and push as application servers log them.
fn services(dice: &mut Dice, samples: &mut Vec<Vec<u8>>, caller: &str, callee: &str, call_id: &str) {
    let (a, b) = (dice.address(), dice.address());
    let device = dice.hex(32);
    let verb = dice.pick(&["GET", "POST", "PUT", "DELETE"]);
    let status = dice.pick(&["200 OK", "201 Created", "204 No Content", "404 Not Found", "500 Internal Server Error"]);
    let body = format!(
        "{{\"callId\":\"{call_id}\",\"from\":\"sip:{caller}@example.com\",\"to\":\"{callee}\",\"state\":\"ringing\",\"duration\":{}}}",
        dice.below(500)
    );
    let mut push = |method: &str, from: &str, to: &str, message: String| {
        let mut text = format!(
            "[2026-11-23 {:02}:{:02}:{:02}.{:03}][{method}][{from}][{to}]\n",
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.below(1000)
        );
        let _ = writeln!(text, "{message}");
        samples.push(text.into_bytes());
    };
    let (here, api) = (format!("http://{a}:8080"), format!("https://api.example.com/v1/calls/{call_id}"));
    push(
        verb,
        &here,
        &api,
        format!(
            "{verb} /v1/calls/{call_id}?user={callee} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: ~masked~\r\nAccept: application/json\r\nContent-Type: application/json\r\nUser-Agent: call-service/2.3\r\nX-Call-ID: {call_id}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    push(
        verb,
        &api,
        &here,
        format!(
            "HTTP/1.1 {status}\r\nDate: Mon, 23 Nov 2026 19:53:58 GMT\r\nServer: nginx\r\nContent-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    push(
        "POST",
        &here,
        &format!("https://{b}/lookup"),
        format!(
            "{{\n  \"request\": {{\n    \"method\": \"POST\",\n    \"user\": \"{callee}\",\n    \"callId\": \"{call_id}\"\n  }},\n  \"response\": {{\n    \"status\": 200,\n    \"devices\": [\"{device}\"]\n  }}\n}}"
        ),
    );
    push(
        "PUSH",
        &here,
        &format!("https://api.push.apple.com/3/device/{device}"),
        format!(
            "{{\"aps\":{{\"alert\":{{\"title\":\"Incoming call\",\"body\":\"{caller}\"}},\"sound\":\"default\",\"content-available\":1}},\"callId\":\"{call_id}\",\"apns-push-type\":\"voip\",\"apns-priority\":\"10\"}}"
        ),
    );
    push(
        "FCM",
        &here,
        "https://fcm.googleapis.com/v1/projects/example/messages:send",
        format!(
            "{{\"message\":{{\"token\":\"{device}\",\"data\":{{\"callId\":\"{call_id}\",\"caller\":\"{caller}\",\"type\":\"incoming_call\"}},\"android\":{{\"priority\":\"high\",\"ttl\":\"30s\"}}}}}}"
        ),
    );
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        401 => "Unauthorized",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        _ => "Decline",
    }
}
