//! The binary as a process.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::{Api, eventually};

/// A running `siptrail` with what it says. Killed when dropped.
pub struct Siptrail {
    child: Mutex<Child>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Siptrail {
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_siptrail")).args(args))
    }

    pub fn spawn(command: &mut Command) -> Self {
        // The shell of who runs the tests must not decide what is tested.
        for name in std::env::vars_os().map(|(name, _)| name) {
            if name.to_string_lossy().starts_with("SIPTRAIL_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        let mut child = command
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
        Self { child: Mutex::new(child), said }
    }

    /// `siptrail watch` on a free port.
    pub fn watch(data: &Path, logs: &[&Path]) -> Self {
        Self::watch_with(&[], data, logs)
    }

    /// With flags before the command.
    pub fn watch_with(flags: &[&str], data: &Path, logs: &[&Path]) -> Self {
        let mut args: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        args.extend(["watch", "--listen", "127.0.0.1:0", "--data"].map(str::to_owned));
        args.push(data.display().to_string());
        args.extend(logs.iter().map(|log| log.display().to_string()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Self::start(&args)
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("lines").clone()
    }

    /// Waits for a line that holds this text.
    pub async fn says(&self, text: &str) -> String {
        let looks_since_end = Cell::new(0);
        eventually(&format!("the program says {text:?}"), || async {
            let status = self.child.lock().expect("child").try_wait().expect("waited");
            let said = self.said();
            let found = said.iter().find(|line| line.contains(text)).cloned();
            // Its last words may be still on their way.
            looks_since_end.set(looks_since_end.get() + u32::from(status.is_some()));
            assert!(found.is_some() || looks_since_end.get() < 20, "it ended without {text:?}; it said {said:#?}");
            found.ok_or_else(|| format!("it said {said:#?}"))
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

    pub fn kill_9(self) {
        let mut child = self.child.lock().expect("child");
        child.kill().expect("killed");
        child.wait().expect("gone");
    }

    /// SIGTERM, and all that it said until it ended.
    pub async fn said_to_the_end(self) -> Vec<String> {
        let said = Arc::clone(&self.said);
        assert_eq!(self.stop().await, Some(0));
        // The threads that listen let go of it at the end of its output.
        eventually("its last words arrive", || async {
            if Arc::strong_count(&said) == 1 { Ok(()) } else { Err("they are on their way".into()) }
        })
        .await;
        said.lock().expect("lines").clone()
    }

    /// SIGTERM, and its exit code.
    pub async fn stop(self) -> Option<i32> {
        signal(self.id(), Signal::TERM);
        eventually("the program ends", || async {
            let ended = self.child.lock().expect("child").try_wait().expect("waited");
            ended.map(|status| status.code()).ok_or_else(|| format!("it still runs; it said {:#?}", self.said()))
        })
        .await
    }

    fn id(&self) -> u32 {
        self.child.lock().expect("child").id()
    }

    /// Files may not grow beyond so many bytes, until that is taken back.
    pub fn limit_files(&self, most: Option<u64>) {
        let pid = Pid::from_raw(i32::try_from(self.id()).expect("a pid"));
        prlimit(pid, Resource::Fsize, Rlimit { current: most, maximum: None }).expect("limited");
    }

    /// Highest resident memory so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") * 1024
    }
}

impl Drop for Siptrail {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("signalled");
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    // SIP is spoken over UDP, pages over TCP: it must be free for both.
    let free = || {
        let socket = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = socket.local_addr().ok()?;
        UdpSocket::bind(address).ok().map(|_| address.port())
    };
    std::iter::repeat_with(free).take(100).flatten().next().expect("a free port")
}
