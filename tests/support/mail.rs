//! Mail servers: Exim, which delivers, and one that does what it is told to do wrong.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use collector::mail::Settings;
use tempfile::TempDir;

use super::{eventually, free_port, installed, program};

/// A server that does one thing wrong (`smtp.py`); `FAULT:2` does it twice, and is well then. Ended when dropped.
pub struct Faulty {
    child: Child,
    pub port: u16,
    said: Arc<Mutex<Vec<String>>>,
    dir: TempDir,
}

impl Faulty {
    pub fn start(fault: &str) -> Self {
        installed("/usr/lib/python3/dist-packages/aiosmtpd/smtp.py", "python3-aiosmtpd");
        let dir = TempDir::new().expect("a directory");
        // Debian's own, which knows Debian's packages.
        let mut child = Command::new(installed("/usr/bin/python3", "python3"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp.py"))
            .args([fault, &dir.path().display().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let first = lines.next().expect("it says its port");
        let port = first.strip_prefix("PORT ").and_then(|port| port.parse().ok()).expect("a port");
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        std::thread::spawn(move || lines.for_each(|line| kept.lock().expect("lines").push(line)));
        Self { child, port, said, dir }
    }

    pub fn settings(&self, more: &str) -> Settings {
        settings(&self.toml(more))
    }

    pub fn toml(&self, more: &str) -> String {
        format!("server = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\n{more}", self.port)
    }

    /// With a login; the password lies beside what was delivered.
    pub fn settings_of_a_user(&self, more: &str) -> Settings {
        let file = password_file(self.dir.path());
        self.settings(&format!("user = \"siptrail\"\npassword_file = \"{}\"\n{more}", file.display()))
    }

    /// What it was asked that begins so, with the rest of each line.
    pub fn asked(&self, what: &str) -> Vec<String> {
        let said = self.said.lock().expect("lines");
        said.iter().filter_map(|line| line.strip_prefix(what)).map(|rest| rest.trim().to_owned()).collect()
    }

    /// It was asked what begins so, so many times.
    pub async fn was_asked(&self, what: &str, times: usize) {
        eventually(&format!("{what} comes {times} times"), || async {
            let said = self.said.lock().expect("lines");
            let count = said.iter().filter(|line| line.starts_with(what)).count();
            if count == times { Ok(()) } else { Err(format!("{said:#?}")) }
        })
        .await;
    }

    /// The mails it was given, in order.
    pub fn mails(&self) -> Vec<String> {
        let of = |number: usize| std::fs::read_to_string(self.dir.path().join(format!("{number}.eml"))).ok();
        (1..).map_while(of).collect()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// Exim on a free port of this machine: STARTTLS, then a login, then mails to oncall@ and lead@example.com, which it delivers.
pub struct Exim {
    child: Child,
    pub port: u16,
    dir: TempDir,
}

impl Exim {
    pub async fn start() -> Self {
        let exim = program("exim4", "exim4-daemon-light");
        let dir = TempDir::new().expect("a directory");
        let place = dir.path().display().to_string();
        for name in ["spool", "mail", "log"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        certificate(dir.path());
        // It delivers as the user who runs it, and never as root.
        let is_root = rustix::process::getuid().is_root();
        let (uid, gid) = if is_root {
            (NOBODY, NOBODY)
        } else {
            (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
        };
        let config = include_str!("exim.conf");
        let config = config.replace("PLACE", &place).replace("UID", &uid.to_string()).replace("GID", &gid.to_string());
        let file = dir.path().join("exim.conf");
        std::fs::write(&file, config).expect("written");
        let mut command = if is_root {
            own(dir.path(), uid, gid);
            let mut command = Command::new(program("setpriv", "util-linux"));
            command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]).arg(&exim);
            command
        } else {
            Command::new(&exim)
        };
        let port = free_port();
        let child = command
            .args(["-C", &file.display().to_string(), "-bdf", "-oX", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Exim starts");
        let mut this = Self { child, port, dir };
        eventually("Exim listens", || {
            let ended = this.child.try_wait().expect("waited");
            let log = this.log();
            async move {
                assert!(ended.is_none(), "Exim ended: {ended:?}; {log}");
                match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
        })
        .await;
        this
    }

    pub fn settings(&self, more: &str) -> Settings {
        settings(&self.toml(more))
    }

    pub fn toml(&self, more: &str) -> String {
        let file = password_file(self.dir.path());
        format!(
            "server = \"localhost\"\nport = {}\nuser = \"siptrail\"\npassword_file = \"{}\"\n{more}",
            self.port,
            file.display()
        )
    }

    /// The `ca_file` line that makes its certificate good.
    pub fn trusted(&self) -> String {
        format!("ca_file = \"{}\"\n", self.dir.path().join("cert.pem").display())
    }

    /// The mails delivered to this user, once there are so many.
    pub async fn delivered(&self, user: &str, number: usize) -> Vec<String> {
        let new = self.dir.path().join("mail").join(user).join("new");
        eventually(&format!("{number} mails for {user}"), || async {
            let files = std::fs::read_dir(&new).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut files: Vec<PathBuf> = files.collect();
            files.sort();
            if files.len() < number {
                return Err(format!("{}; {}", files.len(), self.log()));
            }
            Ok(files.iter().map(|file| std::fs::read_to_string(file).expect("a mail")).collect())
        })
        .await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log/mainlog")).unwrap_or_default()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What every account has, with these keys.
pub fn settings(keys: &str) -> Settings {
    toml::from_str(&with_least(keys)).expect("settings")
}

pub fn with_least(keys: &str) -> String {
    format!("from = \"Siptrail (test) <siptrail@example.com>\"\nbase_url = \"https://siptrail.example.com\"\n{keys}")
}

fn password_file(dir: &Path) -> PathBuf {
    let file = dir.join("password");
    if !file.exists() {
        std::fs::write(&file, "abcd efgh ijkl mnop\n").expect("written");
    }
    file
}

fn certificate(dir: &Path) {
    let made = Command::new(program("openssl", "openssl"))
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=Siptrail test", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn own(place: &Path, uid: u32, gid: u32) {
    std::os::unix::fs::chown(place, Some(uid), Some(gid)).expect("given away");
    for entry in std::fs::read_dir(place).expect("a directory").flatten() {
        std::os::unix::fs::chown(entry.path(), Some(uid), Some(gid)).expect("given away");
    }
}
