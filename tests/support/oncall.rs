//! A collector that mails, and an agent that follows its logs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Api, Siptrail, free_port};

/// A collector that mails, and an agent that follows these logs.
pub struct Oncall {
    pub dir: tempfile::TempDir,
    pub url: String,
}

impl Oncall {
    /// `mail`: of the config; without it mails are made and not sent. `routes`: what stands before the only team and its route.
    pub fn make(mail: &str, database: &str, routes: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("http://127.0.0.1:{}", free_port());
        let file = |name: &str| dir.path().join(name);
        let routes = format!(
            "{routes}[[team]]\nname = \"oncall\"\nto = [\"oncall@example.com\"]\nmask = \"none\"\n\
             [[route]]\nmatch = {{}}\nto = [\"oncall\"]\n"
        );
        std::fs::write(file("routes.toml"), routes).expect("written");
        let mail = mail.replace("https://siptrail.example.com", &url);
        let mail = if mail.is_empty() { mail } else { format!("[mail]\n{mail}") };
        let config = format!(
            "listen = \"{}\"\n{database}\nroutes = \"{}\"\n{mail}",
            url.trim_start_matches("http://"),
            file("routes.toml").display(),
        );
        std::fs::write(file("collector.toml"), config).expect("written");
        std::fs::create_dir(file("logs")).expect("made");
        let config = format!(
            "id = \"lab-{}\"\ncollector = \"{url}\"\nstate = \"{}\"\n[[source]]\nname = \"lab\"\npaths = [\"{}/*.log\"]\n",
            url.rsplit(':').next().unwrap_or_default(),
            file("agent").display(),
            file("logs").display(),
        );
        std::fs::write(file("agent.toml"), config).expect("written");
        Self { dir, url }
    }

    /// Where the logs lie.
    pub fn logs(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    pub fn start(&self, role: &str) -> Siptrail {
        Siptrail::start(&[role, "--config", &self.dir.path().join(format!("{role}.toml")).display().to_string()])
    }

    /// By failure: what mails say of it, and the scenario of each Call-ID.
    pub async fn scenarios(&self, api: &Api) -> BTreeMap<String, String> {
        let mut ids = BTreeMap::new();
        for call in api.scenarios("&class=call").await.expect("calls") {
            let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&call))).await.expect("a call");
            let call_id = picture["legs"][0]["call_id"].as_str().unwrap_or_default();
            ids.insert(call_id.split('@').next().unwrap_or_default().to_owned(), Api::id(&call));
        }
        ids
    }
}

/// A mail without the line breaks that its transport put in (RFC 2045).
pub fn readable(mail: &str) -> String {
    mail.replace("\r\n", "\n").replace("=\n", "").replace("=3D", "=")
}

/// What a mail says after a name, in its plain part.
pub fn said<'a>(mail: &'a str, name: &str) -> Vec<&'a str> {
    let plain = mail.split("Content-Type: text/html").next().unwrap_or_default();
    plain.lines().filter_map(|line| line.trim().strip_prefix(name)).map(str::trim).collect()
}
