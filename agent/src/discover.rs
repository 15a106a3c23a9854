//! Which files there are: patterns, directories and files, and the older rotations of each log beside them.

mod directories;
mod find;
mod scope;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use self::directories::Directories;
use self::find::find;
use crate::content::{InodeId, Stat};
use crate::logname::{Age, LogName};
use crate::place::{Place, is_pattern, split};
use crate::source::SourceId;

pub use scope::Scope;

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
    pub odd: Vec<(PathBuf, String)>,
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

pub fn list(places: &[Place], logs: &[Log], scope: Scope) -> Listing {
    let mut listing = Listing { scope, ..Listing::default() };
    let mut directories = Directories::new(places, logs);
    let mut taken: HashSet<OsString> = HashSet::new();
    for place in places {
        let several =
            place.paths.len() > 1 || place.paths.iter().any(|path| is_pattern(path) || Path::new(path).is_dir());
        let mut found = Named::new();
        for path in &place.paths {
            let (mut here, faults) = (Named::new(), listing.missing.len() + listing.odd.len());
            find(path, &mut here, &mut listing);
            if here.is_empty() && listing.missing.len() + listing.odd.len() == faults {
                listing.empty.push(PathBuf::from(path));
            }
            found.extend(here);
        }
        let known = logs.iter().filter(|log| log.source == place.source);
        let mut chains: HashMap<OsString, String> =
            known.map(|log| (log.chain.clone().into_os_string(), log.source_name.clone())).collect();
        for (path, relative) in &found {
            let path = Path::new(path);
            let Some((directory, name)) = split(path) else { continue };
            let log = directories.log_name(directory, name);
            let chain = directory.join(OsString::from_vec(log.log.clone()));
            if !listing.scope.covers(&chain) {
                continue;
            }
            let log_name =
                Path::new(relative).parent().unwrap_or(Path::new("")).join(OsString::from_vec(log.log.clone()));
            let source_name =
                if several { format!("{}/{}", place.name, log_name.display()) } else { place.name.clone() };
            chains.entry(chain.clone().into_os_string()).or_insert_with(|| source_name.clone());
            if is_compressed(path) {
                listing.odd.push((path.to_path_buf(), "compressed, which cannot be read yet".to_owned()));
            } else if taken.insert(path.as_os_str().to_owned()) {
                listing.add(path.to_path_buf(), place.source, source_name, true, chain, log);
            }
        }
        for (chain, source_name) in chains {
            let chain = PathBuf::from(chain);
            if !listing.scope.covers(&chain) {
                continue;
            }
            let Some((directory, log)) = split(&chain) else { continue };
            for (name, of) in directories.rotations(directory, log) {
                let path = directory.join(OsString::from_vec(name));
                let is_new = !is_compressed(&path) && !found.contains_key(path.as_os_str());
                if is_new && taken.insert(path.as_os_str().to_owned()) {
                    listing.add(path, place.source, source_name.clone(), false, chain.clone(), of);
                }
            }
        }
    }
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    listing.entries.sort_by_cached_key(|entry| {
        let Entry { name, stat, .. } = entry;
        (bytes(&entry.chain), name.is_plain(), stat.mtime, Age(name.clone()), bytes(&entry.path))
    });
    listing
}

impl Listing {
    fn add(
        &mut self,
        path: PathBuf,
        source: SourceId,
        source_name: String,
        named: bool,
        chain: PathBuf,
        name: LogName,
    ) {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {
                let (inode, stat) = (InodeId::of(&meta), Stat::of(&meta));
                self.entries.push(Entry { path, source, source_name, named, chain, name, inode, stat });
            }
            Ok(meta) if named => self.odd.push((path, kind_of(&meta).to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.odd.push((path, error.to_string())),
        }
    }
}

fn kind_of(meta: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn listed(dir: &Path, files: &[&str], paths: &[&str]) -> Vec<String> {
        for file in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let paths = paths.iter().map(|path| dir.join(path).to_str().unwrap().to_owned()).collect();
        let listing = list(&[Place { source: SourceId(0), name: "pbx".into(), paths }], &[], Scope::All);
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
        let place = |path: &Path| {
            [Place { source: SourceId(0), name: "pbx".into(), paths: vec![path.to_str().unwrap().to_owned()] }]
        };
        assert_eq!(list(&place(&path), &[], Scope::All).missing, std::slice::from_ref(&path));
        assert_eq!(list(&place(&dir.path().join("later/*.log")), &[], Scope::All).missing.len(), 1);
        let none = dir.path().join("*.log");
        assert_eq!(list(&place(&none), &[], Scope::All), Listing { empty: vec![none], ..Listing::default() });
    }

    #[test]
    fn any_name_is_matched() {
        let dir = tempfile::tempdir().unwrap();
        let names: [&[u8]; 3] = [b"new\nline.log", b"bad\xff\xfe.log", &[b'x'; 255]];
        for name in names {
            fs::write(dir.path().join(OsString::from_vec(name.to_vec())), "x").unwrap();
        }
        let all = list(
            &[Place {
                source: SourceId(0),
                name: "pbx".into(),
                paths: vec![dir.path().join("*").to_str().unwrap().to_owned()],
            }],
            &[],
            Scope::All,
        );
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
        let paths = vec![dir.path().join("*/app.log").to_str().unwrap().to_owned()];
        let scope = Scope::Directories(BTreeSet::from([dir.path().join("a")]));
        let listing = list(&[Place { source: SourceId(0), name: "pbx".into(), paths }], &[], scope);
        let listed: Vec<&Path> =
            listing.entries.iter().map(|entry| entry.path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(listed, [Path::new("a/app.log.1"), Path::new("a/app.log")]);
        assert!(listing.scope.covers(&dir.path().join("a/app.log")));
        assert!(!listing.scope.covers(&dir.path().join("b/app.log")));
    }
}
