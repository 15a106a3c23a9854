//! The binary as a process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use super::{Api, eventually};

/// A running `siptrail` with what it says. Killed when dropped.
pub struct Siptrail {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Siptrail {
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_siptrail")).args(args))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let said = Arc::new(Mutex::new(Vec::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    said.lock().expect("lines").push(line);
                }
            });
        }
        Self { child, said }
    }

    /// `siptrail watch` on a free port.
    pub fn watch(data: &Path, logs: &[&Path]) -> Self {
        let mut args =
            vec!["watch".into(), "--listen".into(), "127.0.0.1:0".into(), "--data".into(), data.display().to_string()];
        args.extend(logs.iter().map(|log| log.display().to_string()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Self::start(&args)
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("lines").clone()
    }

    /// Waits for a line that holds this text.
    pub async fn says(&self, text: &str) -> String {
        eventually(&format!("the program says {text:?}"), || async {
            let said = self.said();
            said.iter().find(|line| line.contains(text)).cloned().ok_or_else(|| format!("it said {said:#?}"))
        })
        .await
    }

    /// Its API, once it has said where it is.
    pub async fn api(&self) -> Api {
        let line = self.says("Siptrail is at http://").await;
        let from = line.find("http://").expect("an address");
        let url = line[from..].split_whitespace().next().expect("an address").trim_end_matches('/');
        Api::at(url)
    }

    pub fn kill_9(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGTERM, and its exit code.
    pub async fn stop(mut self) -> Option<i32> {
        signal(self.child.id(), Signal::TERM);
        self.exit().await
    }

    pub async fn exit(&mut self) -> Option<i32> {
        let (child, said) = (&mut self.child, self.said.clone());
        let child = Mutex::new(child);
        eventually("the program ends", || async {
            let ended = child.lock().expect("child").try_wait().expect("waited");
            ended
                .map(|status| status.code())
                .ok_or_else(|| format!("it still runs; it said {:#?}", said.lock().expect("lines")))
        })
        .await
    }

    /// Highest resident memory so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") * 1024
    }
}

impl Drop for Siptrail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("signalled");
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}
