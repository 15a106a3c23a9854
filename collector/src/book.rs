//! Rules and routes in force: read at start, and again when a file changes, all or nothing.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use record::time::{HOUR, Timestamp};
use rule::fault::Fault;
use rule::prose;
use rule::routes::Routes;
use rule::set::{BUILT_IN, RuleSet};
use store::Store;
use store::rulebook::{Entry, Rulebook};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::config::EnvRule;
use crate::ingest::now;

/// How often is looked whether a file changed.
const LOOK: Duration = Duration::from_secs(2);

/// What began so long ago is judged again by rules that have changed: what failed earlier is not mailed any more.
const AGAIN: i64 = HOUR;
/// Bytes of a file of rules or routes.
const LARGEST: u64 = 1 << 20;
/// Files of rules that are read.
const MOST: usize = 500;

/// Where there are no routes: failures are grouped, and mailed to nobody. The address is left out.
const NO_ROUTES: &str =
    "[[team]]\nname = \"on-call\"\nto = [\"nobody@localhost\"]\n[[route]]\nmatch = {}\nto = [\"on-call\"]\n";

/// What is in force.
#[derive(Debug)]
pub struct Book {
    pub set: RuleSet,
    pub routes: Routes,
    /// The operator says who is mailed.
    pub has_routes: bool,
    pub env: Vec<EnvRule>,
}

impl Book {
    /// Without routes failures are grouped all the same.
    pub fn new(set: RuleSet, routes: Option<Routes>, env: Vec<EnvRule>) -> Self {
        let has_routes = routes.is_some();
        let nobody = || {
            let mut routes = Routes::load("routes.toml", NO_ROUTES, &set.ids()).expect(
                "it is right, as `files_that_are_wrong_keep_what_was_in_force_and_their_faults_are_shown` shows",
            );
            routes.teams.iter_mut().for_each(|team| team.to.clear());
            routes
        };
        let routes = routes.unwrap_or_else(nobody);
        Self { set, routes, has_routes, env }
    }
}

/// The files, as they were read last.
#[derive(Debug)]
pub struct Shelf {
    rules_dir: Option<PathBuf>,
    routes: Option<PathBuf>,
    env: Vec<EnvRule>,
    files: Files,
    now: watch::Sender<Arc<Book>>,
    faults: Vec<String>,
    /// They could not be read at all.
    unreadable: bool,
    /// What pages show beside the rules.
    base: Rulebook,
}

/// Names and texts of the rule files, and the text of the routes.
type Files = (BTreeMap<String, String>, Option<String>);

impl Shelf {
    /// Reads what the config names; what is wrong with it is one text.
    pub fn open(config: &Config) -> Result<Self, String> {
        let files = read(config.rules_dir.as_deref(), config.routes.as_deref())?;
        let book = book(&files, config.routes.as_deref(), &config.env).map_err(|faults| all(&faults))?;
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let base =
            Rulebook { rules_dir: shown(&config.rules_dir), routes_file: shown(&config.routes), ..Rulebook::default() };
        Ok(Self {
            rules_dir: config.rules_dir.clone(),
            routes: config.routes.clone(),
            env: config.env.clone(),
            files,
            now: watch::Sender::new(Arc::new(book)),
            faults: Vec::new(),
            unreadable: false,
            base,
        })
    }

    /// Mails are sent by this server, with links to these pages.
    pub fn with_mail(mut self, server: String, base_url: String) -> Self {
        self.base.server = Some(server);
        self.base.base_url = base_url;
        self
    }

    /// What is in force, whenever it changes.
    pub fn book(&self) -> watch::Receiver<Arc<Book>> {
        self.now.subscribe()
    }

    /// Says which classes of scenarios the rules in force are about: only these are settled.
    pub fn tell(&self, store: &Store) {
        store.settle_classes(&self.now.borrow().set.classes());
    }

    /// Reads what changed, until cancelled.
    pub async fn run(mut self, store: Store, cancel: CancellationToken) {
        let (mut kept, mut judged, mut times) = (false, self.now.borrow().clone(), 0);
        loop {
            self.tell(&store);
            if !kept || self.look() {
                kept = match store.keep_rulebook(&self.shown(), now()).await {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(%error, "the rules in force are not kept for the pages yet");
                        false
                    }
                };
            }
            let book = self.now.borrow().clone();
            if book.set != judged.set {
                // What was said by the rules before is said anew, as far as anybody still acts by it.
                match store.judge_again(Timestamp(now().0.saturating_sub(AGAIN)), now()).await {
                    // What was being written by the rules before is met the second time.
                    Ok(_) if times == 0 => times = 1,
                    Ok(scenarios) => {
                        tracing::info!(scenarios, "the last hour is judged by the new rules");
                        (judged, times) = (book, 0);
                    }
                    Err(error) => tracing::warn!(%error, "the last hour is not judged by the new rules yet"),
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// True: there is something new to be shown.
    fn look(&mut self) -> bool {
        let files = match read(self.rules_dir.as_deref(), self.routes.as_deref()) {
            Ok(files) => files,
            Err(what) => {
                self.unreadable = true;
                let faults = vec![what];
                return faults != std::mem::replace(&mut self.faults, faults.clone());
            }
        };
        let as_before = files == self.files && !std::mem::take(&mut self.unreadable);
        self.files = files;
        !as_before && self.reload()
    }

    fn reload(&mut self) -> bool {
        match book(&self.files, self.routes.as_deref(), &self.env) {
            Ok(book) => {
                tracing::info!(rules = book.set.rules.len(), "the rules were read anew");
                self.now.send_replace(Arc::new(book));
                self.faults.clear();
            }
            Err(faults) => {
                tracing::warn!(
                    faults = faults.len(),
                    "the rules were changed and are wrong: those before stay in force"
                );
                self.faults = faults.iter().map(ToString::to_string).collect();
            }
        }
        true
    }

    fn shown(&self) -> Rulebook {
        let book = self.now.borrow().clone();
        let file = |id: &str| {
            let own = self.files.0.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            let files: BTreeMap<&str, &str> = BUILT_IN.into_iter().chain(own).collect();
            let names = |text: &str| text.lines().any(|line| is_id(line, id));
            files.into_iter().find(|(_, text)| names(text)).map_or(String::new(), |(name, _)| name.to_owned())
        };
        let rules = book.set.rules.iter().map(|rule| Entry {
            id: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity,
            version: rule.version,
            prose: prose::explain(rule),
            file: file(&rule.id),
            watch: false,
            explains: rule.explains.clone(),
            says: rule.says.clone(),
        });
        let watches = book.set.watches.iter().map(|watch| Entry {
            id: watch.id.clone(),
            title: watch.title.clone(),
            severity: watch.severity,
            version: watch.version,
            prose: prose::explain_watch(watch),
            file: file(&watch.id),
            watch: true,
            explains: Vec::new(),
            says: BTreeMap::new(),
        });
        let teams = book.routes.teams.iter().filter(|_| book.has_routes);
        Rulebook {
            rules: rules.chain(watches).collect(),
            faults: self.faults.clone(),
            teams: teams.map(|team| (team.name.clone(), team.to.clone())).collect(),
            ..self.base.clone()
        }
    }
}

fn is_id(line: &str, id: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| key.trim() == "id" && value.trim().trim_matches('"') == id)
}

fn book(files: &Files, routes_file: Option<&Path>, env: &[EnvRule]) -> Result<Book, Vec<Fault>> {
    let own: Vec<(String, String)> = files.0.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    let set = RuleSet::load(&own)?;
    let name = routes_file.map_or_else(|| "routes.toml".to_owned(), |path| path.display().to_string());
    let routes = files.1.as_deref().map(|text| Routes::load(&name, text, &set.ids())).transpose()?;
    Ok(Book::new(set, routes, env.to_vec()))
}

/// Every `*.toml` of the directory, and the routes.
fn read(rules_dir: Option<&Path>, routes: Option<&Path>) -> Result<Files, String> {
    let files = rules_dir.map_or_else(|| Ok(BTreeMap::new()), files)?;
    Ok((files, routes.map(text).transpose()?))
}

/// Names and texts of the `*.toml` of a directory.
pub fn files(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let refused = |why: std::io::Error| format!("cannot list {}: {why}", directory.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|end| end == "toml") && !name.starts_with('.') {
            files.insert(name, text(&path)?);
            if files.len() > MOST {
                return Err(format!("cannot read {}: it has more than {MOST} files of rules", directory.display()));
            }
        }
    }
    Ok(files)
}

/// The text of a file of rules or routes, unless it is too large to be one.
pub fn text(path: &Path) -> Result<String, String> {
    let refused = |what: &dyn std::fmt::Display| format!("cannot read {}: {what}", path.display());
    let about = std::fs::metadata(path).map_err(|error| refused(&error))?;
    // A pipe waits for whoever writes to it, and some devices never end.
    if !about.is_file() {
        return Err(refused(&"it is not a regular file"));
    }
    let file = std::fs::File::open(path).map_err(|error| refused(&error))?;
    let mut text = String::new();
    let length = file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| refused(&error))?;
    if length as u64 > LARGEST {
        return Err(refused(&format!(
            "it has {} bytes, and at most {LARGEST} are read",
            about.len().max(length as u64)
        )));
    }
    Ok(text)
}

fn all(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str =
        "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";

    fn ids(book: &watch::Receiver<Arc<Book>>) -> usize {
        book.borrow().set.rules.len()
    }

    #[test]
    fn what_is_no_file_of_rules_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("10-endless.toml");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
        assert!(text(&path).is_err_and(|why| why.ends_with("it is not a regular file")));
        assert!(files(dir.path()).is_err());
        std::fs::remove_file(&path).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).expect("made");
        assert!(files(dir.path()).is_err_and(|why| why.contains("10-endless.toml: it is not a regular file")));
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, vec![b'#'; LARGEST as usize + 1]).expect("written");
        assert!(files(dir.path()).is_err_and(|why| why.contains("at most 1048576 are read")));
        std::fs::remove_file(&path).expect("removed");
        for nth in 0..=MOST {
            std::fs::write(dir.path().join(format!("{nth}.toml")), "").expect("written");
        }
        assert!(files(dir.path()).is_err_and(|why| why.contains("more than 500 files")));
    }

    #[test]
    fn files_that_are_wrong_keep_what_was_in_force_and_their_faults_are_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let routes = dir.path().join("routes");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("routes", ROUTES);
        write("20-ack.toml", "");
        let config = Config { rules_dir: Some(dir.path().into()), routes: Some(routes.clone()), ..Config::default() };
        let mut shelf = Shelf::open(&config).expect("right");
        let book = shelf.book();
        let rules = ids(&book);
        assert!(rules < RuleSet::built_in().rules.len(), "an empty file switches one off");
        assert!(!shelf.look(), "nothing changed");
        // One right and one wrong: neither is in force.
        write("60-rest.toml", "");
        write("30-push.toml", "[[rule]]\nid = \"x\"\nper = \"calls\"\n");
        assert!(shelf.look());
        assert_eq!(ids(&book), rules);
        let shown = shelf.shown();
        assert!(shown.faults.iter().any(|fault| fault.contains("30-push.toml:3")), "{:?}", shown.faults);
        assert!(shown.rules.iter().any(|rule| rule.id == "rest-answers"));
        assert!(!shelf.look(), "it is said once");
        write("30-push.toml", "");
        assert!(shelf.look());
        assert!(ids(&book) < rules && shelf.shown().faults.is_empty());
        assert!(shelf.shown().rules.iter().all(|rule| rule.id != "rest-answers"));
        // Routes, too.
        write("routes", &ROUTES.replace("to = [\"voice\"]", "to = [\"vioce\"]"));
        assert!(shelf.look());
        assert!(shelf.shown().faults[0].contains("there is no team `vioce`"));
        assert_eq!(book.borrow().routes.teams[0].name, "voice");
        std::fs::remove_file(&routes).expect("removed");
        assert!(shelf.look() && !shelf.look());
        assert_eq!(book.borrow().routes.teams[0].name, "voice");
        write("routes", ROUTES);
        assert!(shelf.look() && shelf.shown().faults.is_empty());
    }

    #[tokio::test]
    async fn a_file_that_changes_is_in_force_and_shown_within_seconds() {
        let dir = tempfile::tempdir().expect("a directory");
        let rules = dir.path().join("rules");
        std::fs::create_dir(&rules).expect("made");
        let store = Store::open(&store::Location::Directory(dir.path().into())).await.expect("a store");
        let shelf = Shelf::open(&Config { rules_dir: Some(rules.clone()), ..Config::default() }).expect("right");
        let mut book = shelf.book();
        let cancel = CancellationToken::new();
        let running = tokio::spawn(shelf.run(store.clone(), cancel.clone()));
        std::fs::write(rules.join("20-ack.toml"), "").expect("written");
        book.changed().await.expect("it runs");
        assert!(book.borrow().set.rules.iter().all(|rule| rule.id != "answered-no-ack"));
        cancel.cancel();
        running.await.expect("it ends");
        let (kept, _) = store.rulebook().await.expect("read").expect("kept");
        assert!(kept.rules.iter().all(|rule| rule.id != "answered-no-ack") && !kept.rules.is_empty());
    }
}
