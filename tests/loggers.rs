//! Loggers that people have: the snippets of `docs/log-format.md` are run, and what they write is followed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Api, Siptrail, Truth, differences, entry, eventually, installed, program};

/// Calls from each of the threads.
const CALLS: usize = 40;
const THREADS: usize = 4;

#[tokio::test]
async fn messages_that_logback_writes_from_four_threads_are_stored_byte_for_byte() {
    let lab = Lab::new("logback");
    lab.copy("logback.xml", &[("100MB", "60KB")]);
    let jars = ["logback-classic.jar", "logback-core.jar", "slf4j-api.jar"];
    let jars = jars.map(|jar| installed(&format!("/usr/share/java/{jar}"), "liblogback-java"));
    lab.logs_whole(&given(), lab.java(&jars)).await;
}

#[tokio::test]
async fn messages_that_log4j2_writes_from_four_threads_are_stored_byte_for_byte() {
    let lab = Lab::new("log4j2");
    lab.copy("log4j2.xml", &[("100 MB", "60 KB")]);
    let jars = ["log4j-api.jar", "log4j-core.jar"];
    let jars = jars.map(|jar| installed(&format!("/usr/share/java/{jar}"), "liblog4j2-java"));
    lab.logs_whole(&given(), lab.java(&jars)).await;
}

#[tokio::test]
async fn messages_that_python_logs_from_four_threads_are_stored_byte_for_byte() {
    let lab = Lab::new("python");
    lab.copy("message_log.py", &[("100_000_000", "60_000")]);
    let mut python = Command::new(program("python3", "python3"));
    python.env("PYTHONPATH", &lab.work).arg(tests("main.py"));
    lab.logs_whole(&given(), python).await;
}

#[tokio::test]
async fn messages_that_winston_writes_are_stored_byte_for_byte() {
    let lab = Lab::new("winston");
    lab.copy("message-log.js", &[]);
    std::fs::copy(tests("main.js"), lab.work.join("main.js")).expect("copied");
    let library = installed("/usr/share/nodejs/winston", "node-winston");
    let mut node = Command::new(program("node", "nodejs"));
    node.env("NODE_PATH", library.parent().expect("a directory")).arg(lab.work.join("main.js"));
    lab.logs_whole(&given(), node).await;
}

/// Kamailio's is a part of the proxy's configuration in `traffic.rs`.
#[test]
fn the_log_format_shows_the_snippets_that_are_run() {
    let text = read(&root().join("docs/log-format.md"));
    for (file, language) in [
        ("kamailio/messages.cfg", ""),
        ("kamailio/answers.cfg", ""),
        ("logback/logback.xml", "xml"),
        ("logback/MessageLog.java", "java"),
        ("log4j2/log4j2.xml", "xml"),
        ("log4j2/MessageLog.java", "java"),
        ("python/message_log.py", "python"),
        ("winston/message-log.js", "js"),
    ] {
        let snippet = read(&root().join("docs/loggers").join(file));
        let shown = format!("(loggers/{file})\n\n```{language}\n{snippet}```\n");
        assert!(text.contains(&shown), "docs/log-format.md does not show docs/loggers/{file} as it is:\n{shown}");
    }
    let proxy = read(&root().join("tests/traffic/kamailio.cfg"));
    assert!(proxy.contains("include_file \"../../docs/loggers/kamailio/messages.cfg\""), "the proxy runs the snippet");
}

/// A directory for one logger: its snippet and the program beside it, and the logs they write.
struct Lab {
    dir: tempfile::TempDir,
    logger: &'static str,
    work: PathBuf,
    logs: PathBuf,
}

impl Lab {
    fn new(logger: &'static str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let [work, logs] = ["work", "logs"].map(|name| dir.path().join(name));
        for place in [&work, &logs] {
            std::fs::create_dir(place).expect("made");
        }
        Self { dir, logger, work, logs }
    }

    /// A file of the snippet as the page shows it, but for the changes that stand here.
    fn copy(&self, file: &str, changes: &[(&str, &str)]) {
        let mut text = read(&root().join("docs/loggers").join(self.logger).join(file));
        for (from, to) in changes {
            assert_eq!(text.matches(from).count(), 1, "{from} stands once in {file}");
            text = text.replace(from, to);
        }
        std::fs::write(self.work.join(file), text).expect("written");
    }

    /// The program for Java, compiled with the snippet.
    fn java(&self, jars: &[PathBuf]) -> Command {
        self.copy("MessageLog.java", &[]);
        let path = std::env::join_paths(jars.iter().chain([&self.work])).expect("a class path");
        let mut compiler = Command::new(program("javac", "default-jdk-headless"));
        compiler.arg("-cp").arg(&path).arg("-d").arg(&self.work);
        run(compiler.arg(self.work.join("MessageLog.java")).arg(tests("Main.java")));
        let mut java = Command::new(program("java", "default-jdk-headless"));
        java.arg("-cp").arg(&path).arg("Main");
        java
    }

    /// Follows the logs, lets the program write what is given, and waits until that is stored and nothing else.
    async fn logs_whole(&self, given: &[Message], mut logger: Command) {
        let siptrail = Siptrail::watch(&self.dir.path().join("data"), &[&self.logs.join("messages.log")]);
        let api = siptrail.api().await;
        run(logger.current_dir(&self.logs).arg(self.list(given)));
        let files = std::fs::read_dir(&self.logs).expect("logs").count();
        assert!(files > 1, "the logger rotates: {files} files");
        let truth: Truth = given.iter().map(|m| entry(m.kind, m.method, "", &m.bytes)).collect();
        eventually("every message is stored as it was given", || stored(&api, &truth)).await;
        let streams = api.get("/api/v1/streams").await.expect("streams");
        for stream in streams["streams"].as_array().expect("streams") {
            for none in ["fragments", "near_misses", "noise_lines", "gap_bytes"] {
                assert_eq!(stream[none], 0, "{none}: {stream}");
            }
        }
        assert_eq!(siptrail.stop().await, Some(0));
    }

    /// What the program is to log: thread, method, addresses, and the file that holds the message.
    fn list(&self, given: &[Message]) -> PathBuf {
        let mut lines = String::new();
        for (at, message) in given.iter().enumerate() {
            let file = self.work.join(format!("{at}.message"));
            std::fs::write(&file, &message.bytes).expect("written");
            let Message { thread, method, source, destination, .. } = message;
            lines += &format!("{thread}\t{method}\t{source}\t{destination}\t{}\n", file.display());
        }
        let list = self.work.join("list.tsv");
        std::fs::write(&list, lines).expect("written");
        list
    }
}

async fn stored(api: &Api, truth: &Truth) -> Result<(), String> {
    let messages = api.messages("").await?;
    if let Some(flagged) = messages.iter().find(|m| m.json["flags"].as_array().is_none_or(|flags| !flags.is_empty())) {
        return Err(format!("{} of {} has flags: {}", flagged.method, flagged.id, flagged.json["flags"]));
    }
    let found = messages.iter().map(|m| entry(&m.kind, &m.method, "", &m.body)).collect();
    let wrong = differences(truth, &found);
    match &wrong[..] {
        [] => Ok(()),
        [first, ..] => Err(format!("{} stored of {}; {} differences: {first}", found.len(), truth.len(), wrong.len())),
    }
}

struct Message {
    thread: usize,
    kind: &'static str,
    method: &'static str,
    source: &'static str,
    destination: &'static str,
    bytes: Vec<u8>,
}

const PHONE: &str = "sip:192.0.2.1:5060";
const PROXY: &str = "sip:[2001:db8::7]:5060;transport=tcp";

fn given() -> Vec<Message> {
    let calls = (0..CALLS).flat_map(|call| (0..THREADS).map(move |thread| (thread, call)));
    calls.flat_map(|(thread, call)| one_call(thread, call)).collect()
}

fn one_call(thread: usize, call: usize) -> Vec<Message> {
    let id = format!("{thread}-{call}@example.com");
    let sip = |start: &str, cseq: &str, body: &[u8]| {
        let head = format!(
            "{start}\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK{thread}-{call}\r\nFrom: \"김 앨리스\" \
             <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: {id}\r\nCSeq: {cseq}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let http = |start: &str, body: &str| {
        let length = body.len();
        format!("{start}\r\nHost: api.example.com\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    let sdp =
        "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n";
    let json = format!("{{\"callId\": \"{id}\", \"braces\": \"{{}} %s $1\"}}");
    let long = format!("{{\"callId\": \"{id}\", \"devices\": \"{}\"}}", "x".repeat(if call == 7 { 30_000 } else { 3 }));
    let every_byte: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let message =
        |kind, method, (source, destination), bytes| Message { thread, kind, method, source, destination, bytes };
    let (up, rest, push) =
        ((PHONE, PROXY), (PROXY, "https://api.example.com/v1/calls"), (PROXY, "https://push.example.com"));
    vec![
        message("sip", "INVITE", up, sip("INVITE sip:bob@example.com SIP/2.0", "1 INVITE", sdp.as_bytes())),
        message("sip", "180", (PROXY, PHONE), sip("SIP/2.0 180 Ringing", "1 INVITE", b"")),
        message("rest", "POST", rest, http("POST /v1/calls HTTP/1.1", &json)),
        message("rest", "200", (rest.1, rest.0), http("HTTP/1.1 200 OK", &long)),
        message("push", "PUSH", push, format!("{{\n  \"callId\": \"{id}\",\n  \"aps\": {{}}\n}}").into_bytes()),
        message("sip", "MESSAGE", up, sip("MESSAGE sip:bob@example.com SIP/2.0", "2 MESSAGE", &every_byte)),
    ]
}

fn run(command: &mut Command) {
    let out = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {} {said}{}", out.status, String::from_utf8_lossy(&out.stdout));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tests(file: &str) -> PathBuf {
    root().join("tests/loggers").join(file)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
