//! An application server of the laboratory: for each call it asks an API over HTTP, and it sends pushes; it logs both.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Lab;

/// Its own machine, and that of those it asks.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// What it does about a call.
#[derive(Clone, Copy)]
pub struct Wishes {
    /// What begins so gets no answer from the API.
    pub unanswered: &'static str,
    /// Users with the token of their phone. The first wakes by a push, and registers by these parameters and this port.
    pub phones: [(&'static str, &'static str); 2],
    pub params: fn(&str) -> String,
    pub port: u16,
}

/// Acts on each INVITE that the proxy logs, until it is dropped.
pub async fn application(lab: &Lab, log: &Path, wishes: Wishes) {
    let listener = TcpListener::bind((THERE, 0)).await.expect("an address");
    let server = listener.local_addr().expect("its address");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
    let log = Arc::new(Mutex::new(log));
    let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve(listener, wishes, woken));
    let mut invites = Invites::of(&lab.log());
    let mut look = tokio::time::interval(Duration::from_millis(10));
    loop {
        tokio::select! {
            Some(()) = wakes.recv() => {
                let (user, token) = wishes.phones[0];
                lab.register_as(user, &(wishes.params)(token), &[wishes.port]).await;
            }
            _ = look.tick() => for (call, user) in invites.fresh() {
                let path = format!("/v1/route?callId={call}");
                let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
                tasks.spawn(ask(server, "GET", path, request, log.clone()));
                if let Some((_, token)) = wishes.phones.iter().find(|(phone, _)| *phone == user) {
                    let path = format!("/3/device/{token}");
                    let body = format!("{{\"aps\": {{}}, \"callId\": \"{call}\", \"from\": \"alice\"}}");
                    let request = format!(
                        "POST {path} HTTP/1.1\r\nHost: {server}\r\napns-push-type: voip\r\napns-id: push-{call}\r\n\
                         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    tasks.spawn(ask(server, "PUSH", path, request, log.clone()));
                }
            }
        }
    }
}

/// Calls as the proxy logs them.
struct Invites {
    log: BufReader<File>,
    line: String,
    user: Option<String>,
    calls: BTreeSet<String>,
}

impl Invites {
    fn of(log: &Path) -> Self {
        let log = BufReader::new(File::open(log).expect("the proxy's log"));
        Self { log, line: String::new(), user: None, calls: BTreeSet::new() }
    }

    /// Call-ID and called user of each that was not there before.
    fn fresh(&mut self) -> Vec<(String, String)> {
        let mut fresh = Vec::new();
        while self.log.read_line(&mut self.line).is_ok_and(|read| read > 0) && self.line.ends_with('\n') {
            let line = std::mem::take(&mut self.line);
            if let Some((user, _)) = line.strip_prefix("INVITE sip:").and_then(|rest| rest.split_once('@')) {
                self.user = Some(user.to_owned());
            } else if let Some(call) = line.strip_prefix("Call-ID: ").map(str::trim)
                && let Some(user) = self.user.take()
                && self.calls.insert(call.to_owned())
            {
                fresh.push((call.to_owned(), user));
            }
        }
        fresh
    }
}

/// One request and its answer on a connection of their own, each logged when it is sent or received.
async fn ask(server: SocketAddr, method: &str, path: String, request: String, log: Arc<Mutex<File>>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((IpAddr::V4(HERE), 0).into()).expect("an address");
    let mut stream = socket.connect(server).await.expect("connected");
    let own = stream.local_addr().expect("its address");
    let (here, there) = (format!("http://{own}"), format!("http://{server}{path}"));
    write(&log, method, &here, &there, &request);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let answer = read(&mut stream).await;
    if let Some(status) = answer.split(' ').nth(1) {
        write(&log, status, &there, &here, &answer);
    }
}

fn write(log: &Mutex<File>, method: &str, from: &str, to: &str, message: &str) {
    let now = collector::ingest::now().0;
    let record = format!(
        "[{}.{:06}][{method}][{from}][{to}]\n{message}\n",
        now.div_euclid(1_000_000),
        now.rem_euclid(1_000_000)
    );
    log.lock().expect("the log").write_all(record.as_bytes()).expect("written");
}

/// The API and the push gateway.
async fn serve(listener: TcpListener, wishes: Wishes, woken: tokio::sync::mpsc::UnboundedSender<()>) {
    let mut held = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = read(&mut stream).await;
        if request.contains(&format!("callId={}", wishes.unanswered)) {
            held.push(stream);
            continue;
        }
        // As Apple's does, the gateway says the id of the push again.
        let answer = match request.lines().find(|line| line.starts_with("apns-id: ")) {
            Some(id) => format!("HTTP/1.1 200 OK\r\n{id}\r\nContent-Length: 0\r\n\r\n"),
            None => "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"route\": \"local\"}".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.expect("answered");
        if request.contains(wishes.phones[0].1) && woken.send(()).is_err() {
            return;
        }
    }
}

/// One HTTP message; empty where none comes.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text.into_owned();
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&more[..read]),
            _ => return String::new(),
        }
    }
}
