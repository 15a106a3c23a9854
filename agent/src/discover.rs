//! Which files there are: patterns, directories and files, and the older rotations of each log beside them.

mod directories;
mod find;
mod scope;
mod seen;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use self::directories::Directories;
use self::find::find;
use crate::content::{InodeId, Stat};
use crate::logname::{Age, LogName, is_compressed};
use crate::place::{Place, split};
use crate::source::SourceId;
use crate::unread::Obstacle;

pub use crate::pattern::Holds;
pub use scope::Scope;
pub use seen::{Lived, Seen};

/// A regular file that stands somewhere a source looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub source: SourceId,
    /// Name of the source with the log's name, where the source can match several logs.
    pub source_name: String,
    /// Matched by the source itself; else only a rotation of a file that is.
    pub named: bool,
    /// Directory and log name: files of one chain are rotations of one log.
    pub chain: PathBuf,
    pub name: LogName,
    pub inode: InodeId,
    pub stat: Stat,
    /// A symbolic link: what is written to its file raises no event where the link is.
    pub link: bool,
}

/// What one look at the places of the sources brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Of a log outside it the listing says nothing.
    pub scope: Scope,
    /// Oldest first within a chain.
    pub entries: Vec<Entry>,
    /// Files and directories that were named and are not there.
    pub missing: Vec<PathBuf>,
    /// Patterns and directories in which there is no file yet.
    pub empty: Vec<PathBuf>,
    /// What cannot be followed, with the reason.
    pub odd: Vec<(PathBuf, Obstacle)>,
    /// Where files of the sources stand or may appear.
    pub directories: BTreeMap<PathBuf, Holds>,
}

/// A log that was seen before: its rotations are looked for even while its own file is away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Directory and log name.
    pub chain: PathBuf,
    pub source: SourceId,
    pub source_name: String,
}

/// Paths that a source names, with their names relative to that part of the path which is no pattern. Paths are sorted and
/// looked up as bytes here: part by part takes ten times as long.
type Named = BTreeMap<OsString, String>;

/// Whose a log is: it has one source, also where several name its rotations.
struct Owner {
    /// The lower, the better its claim.
    rank: u8,
    source: SourceId,
    source_name: String,
}

/// Owners by directory and log name.
type Owners = HashMap<OsString, Owner>;

/// `seen` is what earlier listings have shown.
pub fn list(places: &[Place], logs: &[Log], scope: Scope, seen: &mut Seen) -> Listing {
    let mut listing = Listing { scope, ..Listing::default() };
    let found: Vec<Named> = places.iter().map(|place| matched(place, &mut listing)).collect();
    let named: HashSet<&OsStr> = found.iter().flat_map(Named::keys).map(OsString::as_os_str).collect();
    let mut directories = Directories::new(places, logs, &named, seen);
    let mut owners = Owners::new();
    let mut files = Vec::with_capacity(named.len());
    for (place, found) in places.iter().zip(&found) {
        let several =
            place.given.len() > 1 || place.given.iter().any(|given| given.pattern.is_some() || given.path.is_dir());
        for (path, relative) in found {
            let path = Path::new(path);
            let Some((directory, name)) = split(path) else { continue };
            let (log, link) = directories.log_name(directory, name);
            let chain = directory.join(OsStr::from_bytes(&log.log));
            if !listing.scope.covers(&chain) {
                continue;
            }
            let rank = match () {
                () if place.given.iter().any(|given| given.path == chain) => 0,
                () if log.is_plain() => 1,
                () => 3,
            };
            let source_name = || {
                let log_name = Path::new(relative).parent().unwrap_or(Path::new("")).join(OsStr::from_bytes(&log.log));
                if several { format!("{}/{}", place.name, log_name.display()) } else { place.name.clone() }
            };
            claim(&mut owners, &chain, rank, place.source, source_name);
            files.push((path, chain, log, link));
        }
    }
    for log in logs.iter().filter(|log| listing.scope.covers(&log.chain)) {
        claim(&mut owners, &log.chain, 2, log.source, || log.source_name.clone());
    }
    let mut taken: HashSet<OsString> = HashSet::with_capacity(files.len());
    for (path, chain, log, link) in files {
        if let Some(owner) = owners.get(chain.as_os_str()).filter(|_| taken.insert(path.as_os_str().to_owned())) {
            listing.add(path.to_path_buf(), owner, (true, link), chain, log);
        }
    }
    for (chain, owner) in &owners {
        let Some((directory, log)) = split(Path::new(chain)) else { continue };
        for (name, of) in directories.rotations(directory, log) {
            let path = directory.join(OsStr::from_bytes(&name));
            if !is_compressed(&name) && taken.insert(path.as_os_str().to_owned()) {
                let link = directories.is_link(&path);
                listing.add(path, owner, (false, link), PathBuf::from(chain), of);
            }
        }
    }
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    listing.entries.sort_by_cached_key(|entry| {
        let Entry { name, stat, .. } = entry;
        (bytes(&entry.chain), name.is_plain(), stat.mtime, Age(name.clone()), bytes(&entry.path))
    });
    seen.note(&listing.entries, &listing.scope);
    listing
}

/// What a place names itself.
fn matched(place: &Place, listing: &mut Listing) -> Named {
    let mut found = Named::new();
    for given in place.given.iter().filter(|given| listing.scope.may_hold(given)).collect::<Vec<_>>() {
        let (mut here, faults) = (Named::new(), listing.missing.len() + listing.odd.len());
        find(given, &mut here, listing);
        if here.is_empty() && listing.missing.len() + listing.odd.len() == faults {
            listing.empty.push(given.path.clone());
        }
        found.extend(here);
    }
    found
}

/// The best claim to a log stands, and of equal ones the first.
fn claim(owners: &mut Owners, chain: &Path, rank: u8, source: SourceId, source_name: impl FnOnce() -> String) {
    match owners.get_mut(chain.as_os_str()) {
        Some(owner) if owner.rank <= rank => {}
        Some(owner) => *owner = Owner { rank, source, source_name: source_name() },
        None => {
            owners.insert(chain.as_os_str().to_owned(), Owner { rank, source, source_name: source_name() });
        }
    }
}

impl Listing {
    fn add(&mut self, path: PathBuf, owner: &Owner, (named, link): (bool, bool), chain: PathBuf, name: LogName) {
        if path.file_name().is_some_and(|name| is_compressed(name.as_bytes())) {
            self.odd.push((path, Obstacle::Unfit("it is compressed, and compressed logs are not read yet")));
            return;
        }
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {
                let (inode, stat) = (InodeId::of(&meta), Stat::of(&meta));
                let (source, source_name) = (owner.source, owner.source_name.clone());
                self.entries.push(Entry { path, source, source_name, named, chain, name, inode, stat, link });
            }
            Ok(meta) if named => self.odd.push((path, Obstacle::Unfit(kind_of(&meta)))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.odd.push((path, Obstacle::unreadable(&error))),
        }
    }
}

fn kind_of(meta: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    if kind.is_dir() {
        "it is a directory"
    } else if kind.is_fifo() {
        "it is a FIFO"
    } else if kind.is_socket() {
        "it is a socket"
    } else {
        "it is a device"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn listed(dir: &Path, files: &[&str], paths: &[&str]) -> Vec<String> {
        for file in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let paths: Vec<PathBuf> = paths.iter().map(|path| dir.join(path)).collect();
        let listing = list(&[Place::new(SourceId(0), "pbx", &paths)], &[], Scope::All, &mut Seen::default());
        let mut lines: Vec<String> = listing
            .entries
            .iter()
            .map(|entry| {
                let path = entry.path.strip_prefix(dir).unwrap().display();
                format!("{path} {}{}", entry.source_name, if entry.named { "" } else { " (rotation)" })
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_file_is_one_source_and_its_rotations_stand_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let lines = listed(dir.path(), &["app.log", "app.log.1", "app.log.2.gz", "other.log"], &["app.log"]);
        assert_eq!(lines, ["app.log pbx", "app.log.1 pbx (rotation)"]);
    }

    #[test]
    fn a_pattern_gives_a_source_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let lines = listed(dir.path(), &["a/sbc-1.log", "a/sbc-2.log", "b/sbc-1.log", "b/.hidden.log"], &["*/*.log"]);
        assert_eq!(
            lines,
            ["a/sbc-1.log pbx/a/sbc-1.log", "a/sbc-2.log pbx/a/sbc-2.log", "b/sbc-1.log pbx/b/sbc-1.log"]
        );
        let deep = listed(dir.path(), &["c/d/x.log"], &["**/x.log"]);
        assert_eq!(deep, ["c/d/x.log pbx/c/d/x.log"]);
    }

    #[test]
    fn a_directory_gives_its_files_and_not_its_directories() {
        let dir = tempfile::tempdir().unwrap();
        let lines = listed(dir.path(), &["logs/app.log", "logs/app.log.1", "logs/old/app.log"], &["logs"]);
        assert_eq!(lines, ["logs/app.log pbx/app.log", "logs/app.log.1 pbx/app.log"]);
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later/app.log");
        let listed = |path: &Path| {
            let place = Place::new(SourceId(0), "pbx", &[path.to_path_buf()]);
            list(&[place], &[], Scope::All, &mut Seen::default())
        };
        assert_eq!(listed(&path).missing, std::slice::from_ref(&path));
        assert_eq!(listed(&dir.path().join("later/*.log")).missing.len(), 1);
        let none = dir.path().join("*.log");
        assert_eq!(listed(&none).empty, [none]);
    }

    /// Path, source and log of each file, of places of one path each.
    fn placed(dir: &Path, paths: &[&str], seen: &mut Seen) -> Vec<String> {
        let place = |(at, path): (usize, &&str)| Place::new(SourceId(at as u32), path, &[dir.join(path)]);
        let places: Vec<Place> = paths.iter().enumerate().map(place).collect();
        let listing = list(&places, &[], Scope::All, seen);
        let short = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
        let line = |entry: &Entry| {
            let named = if entry.named { "" } else { " (rotation)" };
            format!("{} of {} by {}{named}", short(&entry.path), short(&entry.chain), entry.source_name)
        };
        let mut lines: Vec<String> = listing.entries.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn touch(dir: &Path, names: &[&str]) {
        for name in names {
            fs::write(dir.join(name), "x").unwrap();
        }
    }

    #[test]
    fn whatever_a_source_names_is_named_though_another_has_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["app-20261123.log", "app.log.1", "app.log"];
        touch(dir.path(), &files);
        let expect = [
            "app-20261123.log of app.log by app.log",
            "app.log of app.log by app.log",
            "app.log.1 of app.log by app.log",
        ];
        assert_eq!(placed(dir.path(), &files, &mut Seen::default()), expect);
        let rotations = placed(dir.path(), &files[..2], &mut Seen::default());
        assert_eq!(rotations[1], "app.log of app.log by app-20261123.log (rotation)");
    }

    #[test]
    fn numbered_instances_are_sources_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["sbc-1.log", "sbc-2.log", "sbc.log"]);
        let named = placed(dir.path(), &["sbc-1.log", "sbc.log"], &mut Seen::default());
        assert_eq!(named, ["sbc-1.log of sbc-1.log by sbc-1.log", "sbc.log of sbc.log by sbc.log"]);
        assert_eq!(placed(dir.path(), &["sbc.log"], &mut Seen::default()), ["sbc.log of sbc.log by sbc.log"]);
        assert_eq!(placed(dir.path(), &["*.log"], &mut Seen::default()).len(), 3);
        let one = "sbc-1.log of sbc-1.log by *.log/sbc-1.log";
        assert_eq!(placed(dir.path(), &["*.log"], &mut Seen::default())[0], one);
    }

    #[test]
    fn a_log_that_is_renamed_to_a_number_is_a_rotation() {
        for paths in [["app.log"], ["*.log"]] {
            let dir = tempfile::tempdir().unwrap();
            let (log, first, second) = ("app.log", "app.1.log", "app.2.log");
            let at = |name: &str| dir.path().join(name);
            let mut seen = Seen::default();
            touch(dir.path(), &[log]);
            placed(dir.path(), &paths, &mut seen);
            fs::rename(at(log), at(first)).unwrap();
            touch(dir.path(), &[log]);
            let once = placed(dir.path(), &paths, &mut seen);
            assert!(
                once[0].starts_with("app.1.log of app.log") && once[1].starts_with("app.log of app.log"),
                "{once:?}"
            );
            // Twice between two looks: nobody has seen the one in the middle.
            fs::rename(at(first), at("app.3.log")).unwrap();
            fs::rename(at(log), at(second)).unwrap();
            touch(dir.path(), &[first, log]);
            let all = placed(dir.path(), &paths, &mut seen);
            assert_eq!(
                all.iter().filter(|line| line.contains("of app.log by")).count(),
                3 + usize::from(paths[0] == log)
            );
        }
    }

    #[test]
    fn a_log_that_was_renamed_to_a_number_while_nobody_looked_is_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["app.1.log", "app.2.log", "app.log"]);
        let inode = InodeId::of(&fs::metadata(dir.path().join("app.1.log")).unwrap());
        let mut seen = Seen::default();
        let path = dir.path().join("app.log");
        seen.recall(vec![Lived { inode: inode.number, birth: inode.birth.div_euclid(1000), path }]);
        let listed = placed(dir.path(), &["app.log"], &mut seen);
        assert!(listed.contains(&"app.1.log of app.log by app.log (rotation)".to_owned()), "{listed:?}");
    }

    #[test]
    fn compressed_files_are_left_out_and_those_that_are_named_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["app.log", "app.log.1.xz", "app.log.2.gz", "app.log.3.zst", "app.log.4.bz2"]);
        let place = |path: &str| [Place::new(SourceId(0), "pbx", &[dir.path().join(path)])];
        let some = list(&place("app.log"), &[], Scope::All, &mut Seen::default());
        assert_eq!((some.entries.len(), some.odd), (1, Vec::new()));
        let all = list(&place("*"), &[], Scope::All, &mut Seen::default());
        assert_eq!((all.entries.len(), all.odd.len()), (1, 4));
        assert!(
            all.odd
                .iter()
                .all(|(_, obstacle)| matches!(obstacle, Obstacle::Unfit(what) if what.contains("compressed"))),
            "{:?}",
            all.odd
        );
    }

    #[test]
    fn any_name_is_matched() {
        let dir = tempfile::tempdir().unwrap();
        let names: [&[u8]; 3] = [b"new\nline.log", b"bad\xff\xfe.log", &[b'x'; 255]];
        for name in names {
            fs::write(dir.path().join(OsString::from_vec(name.to_vec())), "x").unwrap();
        }
        let place = Place::new(SourceId(0), "pbx", &[dir.path().join("*")]);
        let all = list(&[place], &[], Scope::All, &mut Seen::default());
        assert_eq!(all.entries.len(), 3);
    }

    #[test]
    fn a_listing_of_some_directories_says_nothing_of_others() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/app.log", "a/app.log.1", "b/app.log"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let place = Place::new(SourceId(0), "pbx", &[dir.path().join("*/app.log")]);
        let scope = Scope::Directories(BTreeSet::from([dir.path().join("a")]));
        let listing = list(&[place], &[], scope, &mut Seen::default());
        let listed: Vec<&Path> =
            listing.entries.iter().map(|entry| entry.path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(listed, [Path::new("a/app.log.1"), Path::new("a/app.log")]);
        assert!(listing.scope.covers(&dir.path().join("a/app.log")));
        assert!(!listing.scope.covers(&dir.path().join("b/app.log")));
    }

    #[test]
    fn where_files_stand_or_may_appear_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b", "deep/c"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        touch(dir.path(), &["app.log", "a/x.log"]);
        let directories = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| dir.path().join(path)).collect();
            let listing = list(&[Place::new(SourceId(0), "pbx", &paths)], &[], Scope::All, &mut Seen::default());
            let short = |path: &Path| path.strip_prefix(dir.path()).unwrap().display().to_string();
            listing.directories.iter().map(|(path, holds)| (short(path), *holds)).collect::<Vec<_>>()
        };
        let check = |paths: &[&str], expect: &[(&str, Holds)]| {
            let expect: Vec<_> = expect.iter().map(|(path, holds)| ((*path).to_owned(), *holds)).collect();
            assert_eq!(directories(paths), expect, "{paths:?}");
        };
        use Holds::{Directories, Files};
        check(&["app.log"], &[("", Files)]);
        check(&["a"], &[("a", Files)]);
        check(&["later.log"], &[("", Directories)]);
        check(&["*.log"], &[("", Files)]);
        check(&["*/x.log"], &[("", Directories), ("a", Files), ("deep", Files)]);
        check(&["deep/**/*.log"], &[("deep", Directories), ("deep/c", Directories)]);
        check(&["none/*.log"], &[("none", Directories)]);
    }

    #[test]
    fn listings_of_another_directory_make_no_file_older() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a", "b"] {
            fs::create_dir(dir.path().join(path)).unwrap();
        }
        touch(dir.path(), &["a/app.log", "b/app.log"]);
        let places = [Place::new(SourceId(0), "pbx", &[dir.path().join("*/app.log")])];
        let mut seen = Seen::default();
        list(&places, &[], Scope::All, &mut seen);
        for _ in 0..20 {
            list(&places, &[], Scope::Directories(BTreeSet::from([dir.path().join("b")])), &mut seen);
        }
        fs::rename(dir.path().join("a/app.log"), dir.path().join("a/app.1.log")).unwrap();
        touch(dir.path(), &["a/app.log"]);
        let listing = list(&places, &[], Scope::All, &mut seen);
        let rotation = listing.entries.iter().find(|entry| entry.path.ends_with("a/app.1.log"));
        assert_eq!(rotation.map(|entry| entry.chain.clone()), Some(dir.path().join("a/app.log")));
    }
}
