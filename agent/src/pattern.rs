//! Patterns of paths: `*`, `?`, `[...]`, `{a,b}`, and `**` for any depth.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use globset::{ErrorKind, GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use crate::names::{Kind, Name, Names};
use crate::unread::in_words;

/// How deep `**` looks.
const DEPTH: usize = 32;

/// A pattern that can be read. Names are bytes: they need not be UTF-8.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The parts before the first one with a sign.
    root: PathBuf,
    /// The parts from there to the first `**`.
    levels: Vec<Level>,
    /// What stands from the first `**` on.
    deep: Option<Level>,
    /// All that stands after the root.
    whole: GlobMatcher,
}

#[derive(Clone, Debug)]
enum Level {
    Plain(OsString),
    Signs {
        matcher: GlobMatcher,
        /// It begins with a dot: only then hidden files match.
        hidden: bool,
    },
}

/// What of a directory is of interest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Holds {
    /// Only files.
    Files,
    /// Directories too, in which there may be files.
    Directories,
}

/// What cannot be looked at, with the reason.
pub type Fault = (PathBuf, String);

/// Files of one directory.
#[derive(Debug, Default)]
pub struct Matched {
    /// The directory, relative to the root of the pattern.
    pub base: PathBuf,
    /// By their places among the names of the directory.
    pub files: Vec<usize>,
    /// By name: what was found without the names of the directory.
    pub names: Vec<OsString>,
}

/// Whether a path has a sign of a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

impl Pattern {
    /// A pattern, or in words why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        let parts: Vec<Component> = Path::new(text).components().collect();
        let has_sign = |part: &Component| is_pattern(&part.as_os_str().to_string_lossy());
        let (root, rest) = parts.split_at(parts.iter().take_while(|part| !has_sign(part)).count());
        let fixed = rest.iter().take_while(|part| part.as_os_str() != "**").count();
        let levels = rest[..fixed].iter().map(|part| {
            let text = part.as_os_str().to_string_lossy();
            if is_pattern(&text) { Level::signs(&text) } else { Ok(Level::Plain(part.as_os_str().to_owned())) }
        });
        let joined = |parts: &[Component]| parts.iter().collect::<PathBuf>().to_string_lossy().into_owned();
        // Each part by itself: braces do not reach over a slash.
        rest.iter().map(|part| compile(&part.as_os_str().to_string_lossy())).collect::<Result<Vec<_>, _>>()?;
        let deep = (fixed < rest.len()).then(|| Level::signs(&joined(&rest[fixed..]))).transpose()?;
        Ok(Self {
            root: root.iter().collect(),
            levels: levels.collect::<Result<_, _>>()?,
            deep,
            whole: compile(&joined(rest))?,
        })
    }

    /// The part of the path in which there are no signs.
    pub fn root(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// The path is one that may be found. Nothing is looked at: the file may be gone.
    pub fn matches(&self, path: &Path) -> bool {
        path.strip_prefix(&self.root).is_ok_and(|rest| self.whole.is_match(rest))
    }

    /// A directory below the root.
    pub fn below(&self, base: &Path) -> PathBuf {
        // To join an empty path would leave a slash at the end.
        if base.as_os_str().is_empty() { self.root().to_path_buf() } else { self.root().join(base) }
    }

    /// The files that are there, by directory. `**` does not follow links to directories; other parts do. `names` gives the
    /// names in a directory, and `looks_in` is given each directory that was looked into.
    pub fn find(
        &self,
        names: &mut impl FnMut(&Path) -> Arc<Names>,
        fault: &mut impl FnMut(Fault),
        looks_in: &mut impl FnMut(&Path, Holds),
    ) -> Vec<Matched> {
        let (last, before) = match self.levels.split_last() {
            Some((last, before)) if self.deep.is_none() => (Some(last), before),
            _ => (None, self.levels.as_slice()),
        };
        let mut bases = vec![PathBuf::new()];
        for level in before {
            for base in &bases {
                looks_in(&self.below(base), Holds::Directories);
            }
            bases = bases.iter().flat_map(|base| self.directories(base, level, names, fault)).collect();
        }
        if let Some(level) = last {
            for base in &bases {
                looks_in(&self.below(base), Holds::Files);
            }
            return bases.into_iter().map(|base| self.files(base, level, names, fault)).collect();
        }
        let Some(Level::Signs { matcher, hidden }) = &self.deep else { return Vec::new() };
        bases.iter().flat_map(|base| self.walk(base, (matcher, *hidden), fault, looks_in)).collect()
    }

    /// One part further, which is not the last one. A directory that is only named need not be readable.
    fn directories(
        &self,
        base: &Path,
        level: &Level,
        names: &mut impl FnMut(&Path) -> Arc<Names>,
        fault: &mut impl FnMut(Fault),
    ) -> Vec<PathBuf> {
        let top = self.below(base);
        match level {
            Level::Plain(name) => top.join(name).exists().then(|| base.join(name)).into_iter().collect(),
            Level::Signs { matcher, hidden } => {
                let names = read(&top, names, fault);
                let matching = names.iter().filter(|name| is_match(matcher, *hidden, name) && is_dir(&top, name));
                matching.map(|name| base.join(OsStr::from_bytes(&name.name))).collect()
            }
        }
    }

    /// The last part.
    fn files(
        &self,
        base: PathBuf,
        level: &Level,
        names: &mut impl FnMut(&Path) -> Arc<Names>,
        fault: &mut impl FnMut(Fault),
    ) -> Matched {
        let top = self.below(&base);
        match level {
            Level::Plain(name) => {
                let names = top.join(name).exists().then(|| name.clone()).into_iter().collect();
                Matched { base, files: Vec::new(), names }
            }
            Level::Signs { matcher, hidden } => {
                let names = read(&top, names, fault);
                let matching = names.iter().enumerate().filter(|(_, name)| is_match(matcher, *hidden, name));
                Matched { base, files: matching.map(|(file, _)| file).collect(), names: Vec::new() }
            }
        }
    }

    /// What `**` and the parts after it match below a directory.
    fn walk(
        &self,
        base: &Path,
        (matcher, hidden): (&GlobMatcher, bool),
        fault: &mut impl FnMut(Fault),
        looks_in: &mut impl FnMut(&Path, Holds),
    ) -> Vec<Matched> {
        let top = self.below(base);
        looks_in(&top, Holds::Directories);
        let walk = WalkDir::new(&top).min_depth(1).max_depth(DEPTH);
        let (directories, files): (Vec<_>, Vec<_>) =
            entries(walk, fault).into_iter().partition(|entry| entry.file_type().is_dir());
        for entry in &directories {
            looks_in(entry.path(), Holds::Directories);
        }
        let mut found: BTreeMap<OsString, Matched> = BTreeMap::new();
        for entry in files.iter().filter(|entry| hidden || !is_hidden(entry)) {
            let Some(relative) = entry.path().strip_prefix(&top).ok().filter(|path| matcher.is_match(path)) else {
                continue;
            };
            let below = relative.parent().unwrap_or(Path::new(""));
            let base = if below.as_os_str().is_empty() { base.to_path_buf() } else { base.join(below) };
            let here = found.entry(base.clone().into_os_string());
            let here = here.or_insert_with(|| Matched { base, ..Matched::default() });
            here.names.push(entry.file_name().to_owned());
        }
        found.into_values().collect()
    }
}

/// The names in a directory; what has vanished meanwhile is no fault.
fn read(top: &Path, names: &mut impl FnMut(&Path) -> Arc<Names>, fault: &mut impl FnMut(Fault)) -> Arc<Names> {
    let names = names(top);
    for error in names.faults().iter().filter(|error| !error.has_vanished()) {
        fault((top.to_path_buf(), error.text.clone()));
    }
    names
}

fn is_match(matcher: &GlobMatcher, hidden: bool, Name { name, .. }: &Name) -> bool {
    (hidden || !name.starts_with(b".")) && matcher.is_match(OsStr::from_bytes(name))
}

/// A directory, or a link to one.
fn is_dir(top: &Path, Name { name, kind }: &Name) -> bool {
    match kind {
        Kind::Directory => true,
        Kind::Link => top.join(OsStr::from_bytes(name)).is_dir(),
        Kind::Other => false,
    }
}

impl Level {
    fn signs(text: &str) -> Result<Self, String> {
        let name = text.rsplit('/').next().unwrap_or(text);
        Ok(Self::Signs { matcher: compile(text)?, hidden: name.starts_with('.') })
    }
}

fn compile(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| match error.kind() {
        ErrorKind::UnclosedClass => "a [ has no ] that ends it; a [ in a name is written [[]".into(),
        ErrorKind::UnclosedAlternates | ErrorKind::UnopenedAlternates => {
            "braces such as {a,b} must be closed within one part of the path; a { in a name is written [{]".into()
        }
        ErrorKind::InvalidRange(from, to) => format!("[{from}-{to}] has no letters in it; write [{to}-{from}]"),
        kind => kind.to_string(),
    })
}

/// What a walk brings; what has vanished meanwhile is no fault.
fn entries(walk: WalkDir, fault: &mut impl FnMut(Fault)) -> Vec<DirEntry> {
    let mut entries = Vec::new();
    for entry in walk {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                let path = error.path().map(Path::to_path_buf).unwrap_or_default();
                let vanished =
                    |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
                if let Some(error) = error.into_io_error().filter(|error| !vanished(error)) {
                    fault((path, in_words(&error)));
                }
            }
        }
    }
    entries
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The paths that a pattern finds, relative to its root.
    fn paths(pattern: &Pattern, fault: &mut impl FnMut(Fault)) -> BTreeSet<PathBuf> {
        let mut names = |path: &Path| Names::read(path, None);
        let found = pattern.find(&mut names, fault, &mut |_, _| {});
        let mut paths = BTreeSet::new();
        for Matched { base, files, names } in found {
            let all = Names::read(&pattern.below(&base), None);
            let files = files.iter().map(|file| OsString::from_vec(all.get(*file).unwrap().name.clone()));
            paths.extend(files.chain(names).map(|name| base.join(name)));
        }
        paths
    }

    /// What a pattern below a directory finds there; each of it must match, too.
    fn found(dir: &Path, pattern: &str) -> Vec<String> {
        let pattern = Pattern::new(&format!("{}/{pattern}", dir.display())).unwrap();
        let found = paths(&pattern, &mut |fault| panic!("{fault:?}"));
        let odd: Vec<_> = found.iter().filter(|path| !pattern.matches(&pattern.root().join(path))).collect();
        assert_eq!(odd, Vec::<&PathBuf>::new());
        found.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        dir
    }

    #[test]
    fn each_sign_finds_what_it_says() {
        let dir = directory(&["app.log", "b.log", "b.txt", ".h.log", "a/x.log", "a/b/x.log", "a/.h/x.log", "통화.log"]);
        let check = |pattern: &str, expect: &[&str]| assert_eq!(found(dir.path(), pattern), expect, "{pattern}");
        check("*.log", &["app.log", "b.log", "통화.log"]);
        check("?.log", &["b.log"]);
        // One byte: each of these two letters has three.
        check("??????.log", &["통화.log"]);
        check("??.log", &[]);
        check("[a-b]*.log", &["app.log", "b.log"]);
        check("[!a]*.txt", &["b.txt"]);
        check("{app,b}.{log,txt}", &["app.log", "b.log", "b.txt"]);
        check(".*.log", &[".h.log"]);
        check("*/x.log", &["a/x.log"]);
        check("**/x.log", &["a/.h/x.log", "a/b/x.log", "a/x.log"]);
        check("**/b/**/*.log", &["a/b/x.log"]);
        check("a/**", &[".h/x.log", "b/x.log", "x.log"]);
    }

    #[test]
    fn names_that_are_not_utf_8_are_found() {
        let dir = directory(&[]);
        for name in [&b"bad\xff\xfe.log"[..], b"new\nline.log"] {
            fs::write(dir.path().join(OsString::from_vec(name.to_vec())), "x").unwrap();
        }
        assert_eq!(found(dir.path(), "*.log").len(), 2);
        assert_eq!(found(dir.path(), "**/*.log").len(), 2);
        assert_eq!(found(dir.path(), "bad??.log").len(), 1);
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let dir = directory(&["real/x.log"]);
        symlink(dir.path(), dir.path().join("real/up")).unwrap();
        symlink(dir.path().join("real"), dir.path().join("other")).unwrap();
        symlink("self.log", dir.path().join("real/self.log")).unwrap();
        symlink("nowhere", dir.path().join("real/none.log")).unwrap();
        assert_eq!(found(dir.path(), "*/x.log"), ["other/x.log", "real/x.log"]);
        assert_eq!(found(dir.path(), "**/x.log"), ["real/x.log"]);
        assert_eq!(
            found(dir.path(), "*/up/*/x.log"),
            ["other/up/other/x.log", "other/up/real/x.log", "real/up/other/x.log", "real/up/real/x.log"]
        );
    }

    #[test]
    fn a_directory_that_may_only_be_passed_through_is_passed_through() {
        let dir = directory(&["alice/log/sip.log"]);
        assert_eq!(found(dir.path(), "*/log/sip.log"), ["alice/log/sip.log"]);
        let mut faults = Vec::new();
        let pattern = Pattern::new(&format!("{}/nowhere/*.log", dir.path().display())).unwrap();
        assert_eq!(paths(&pattern, &mut |fault| faults.push(fault)), BTreeSet::new());
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn what_is_no_pattern_is_said_in_words() {
        let fault = |text: &str| Pattern::new(text).unwrap_err();
        assert!(fault("/var/log/[bad.log").starts_with("a [ has no ]"));
        assert!(fault("/var/log/[z-a].log").contains("write [a-z]"));
        for text in ["/x/{a,b", "/x/{a/b,c}/*.log", "/x/a}b*"] {
            assert!(fault(text).contains("braces"), "{text}: {}", fault(text));
        }
    }
}
