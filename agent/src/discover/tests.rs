//! What is listed of a directory, and what changes between two listings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::*;

fn listed(dir: &Path, files: &[&str], paths: &[&str]) -> Vec<String> {
    for file in files {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let paths: Vec<PathBuf> = paths.iter().map(|path| dir.join(path)).collect();
    let listing = list(&[Place::new(SourceId(0), "pbx", &paths)], &Logs::default(), Scope::All, &mut Seen::default());
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
    assert_eq!(lines, ["a/sbc-1.log pbx/a/sbc-1.log", "a/sbc-2.log pbx/a/sbc-2.log", "b/sbc-1.log pbx/b/sbc-1.log"]);
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
        list(&[place], &Logs::default(), Scope::All, &mut Seen::default())
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
    let listing = list(&places, &Logs::default(), Scope::All, seen);
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
    let expect =
        ["app-20261123.log of app.log by app.log", "app.log of app.log by app.log", "app.log.1 of app.log by app.log"];
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
        assert!(once[0].starts_with("app.1.log of app.log") && once[1].starts_with("app.log of app.log"), "{once:?}");
        // Twice between two looks: nobody has seen the one in the middle.
        fs::rename(at(first), at("app.3.log")).unwrap();
        fs::rename(at(log), at(second)).unwrap();
        touch(dir.path(), &[first, log]);
        let all = placed(dir.path(), &paths, &mut seen);
        assert_eq!(all.iter().filter(|line| line.contains("of app.log by")).count(), 3 + usize::from(paths[0] == log));
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
    let some = list(&place("app.log"), &Logs::default(), Scope::All, &mut Seen::default());
    assert_eq!((some.entries.len(), some.odd), (1, Vec::new()));
    let all = list(&place("*"), &Logs::default(), Scope::All, &mut Seen::default());
    assert_eq!((all.entries.len(), all.odd.len()), (1, 4));
    let compressed = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Unfit(what) if what.contains("compressed"));
    assert!(all.odd.iter().all(|(_, obstacle)| compressed(obstacle)), "{:?}", all.odd);
}

#[test]
fn any_name_is_matched() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 3] = [b"new\nline.log", b"bad\xff\xfe.log", &[b'x'; 255]];
    for name in names {
        fs::write(dir.path().join(OsString::from_vec(name.to_vec())), "x").unwrap();
    }
    let place = Place::new(SourceId(0), "pbx", &[dir.path().join("*")]);
    let all = list(&[place], &Logs::default(), Scope::All, &mut Seen::default());
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
    let listing = list(&[place], &Logs::default(), scope, &mut Seen::default());
    let listed: Vec<&Path> = listing.entries.iter().map(|entry| entry.path.strip_prefix(dir.path()).unwrap()).collect();
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
        let listing =
            list(&[Place::new(SourceId(0), "pbx", &paths)], &Logs::default(), Scope::All, &mut Seen::default());
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

/// Each file of a listing: path, inode, size, log, and whether it is a link.
fn told(dir: &Path, path: &str, seen: &mut Seen) -> Vec<(PathBuf, InodeId, u64, PathBuf, bool)> {
    let places = [Place::new(SourceId(0), "pbx", &[dir.join(path)])];
    let entries = list(&places, &Logs::default(), Scope::All, seen).entries.into_iter();
    entries.map(|entry| (entry.path, entry.inode, entry.stat.size, entry.chain, entry.link)).collect()
}

#[test]
fn a_listing_after_others_tells_what_a_first_one_tells_whatever_has_changed() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let changes: [(&str, &dyn Fn()); 9] = [
        ("nothing was there", &|| touch(dir.path(), &["app.log", "other.log"])),
        ("a name comes", &|| touch(dir.path(), &["app.log.1"])),
        ("a file grows", &|| fs::write(at("app.log"), "longer").unwrap()),
        ("a log without its own file", &|| fs::remove_file(at("app.log")).unwrap()),
        ("two files change their names", &|| {
            fs::rename(at("other.log"), at("swap")).unwrap();
            fs::rename(at("app.log.1"), at("other.log")).unwrap();
            fs::rename(at("swap"), at("app.log.1")).unwrap();
        }),
        ("another file has a name", &|| {
            fs::write(at("new"), "another").unwrap();
            fs::rename(at("new"), at("other.log")).unwrap();
        }),
        ("a file becomes a link to another", &|| {
            fs::remove_file(at("app.log.1")).unwrap();
            symlink("other.log", at("app.log.1")).unwrap();
        }),
        ("a file becomes a directory", &|| {
            fs::remove_file(at("other.log")).unwrap();
            fs::create_dir(at("other.log")).unwrap();
        }),
        ("all is gone", &|| {
            fs::remove_file(at("app.log.1")).unwrap();
            fs::remove_dir(at("other.log")).unwrap();
        }),
    ];
    for path in ["*", "", "app.log", "**/*.log*"] {
        let mut seen = Seen::default();
        for (what, change) in &changes {
            change();
            for _ in 0..2 {
                let first = told(dir.path(), path, &mut Seen::default());
                assert_eq!(told(dir.path(), path, &mut seen), first, "{path}: {what}");
            }
        }
    }
}

#[test]
fn a_rotation_that_is_proven_later_is_one_from_then_on_though_no_name_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["app.1.log", "app.log"]);
    let mut seen = Seen::default();
    let before = placed(dir.path(), &["*.log"], &mut seen);
    assert_eq!(before[0], "app.1.log of app.1.log by *.log/app.1.log");
    // The file itself goes on under another name, and none is new.
    fs::rename(dir.path().join("app.log"), dir.path().join("app.1.log")).unwrap();
    touch(dir.path(), &["app.log"]);
    let after = placed(dir.path(), &["*.log"], &mut seen);
    assert_eq!(after[0], "app.1.log of app.log by *.log/app.log");
    assert_eq!(placed(dir.path(), &["*.log"], &mut seen), after);
}

#[test]
fn a_log_that_becomes_known_has_its_rotations_though_no_name_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["app.log.1", "other.log"]);
    let places = [Place::new(SourceId(0), "pbx", &[dir.path().join("other.log")])];
    let mut seen = Seen::default();
    let mut listed = |logs: &Logs| list(&places, logs, Scope::All, &mut seen).entries.len();
    let chain = dir.path().join("app.log");
    let known: Logs = [(chain.as_path(), SourceId(0), "pbx")].into_iter().collect();
    assert_eq!([listed(&Logs::default()), listed(&known), listed(&known), listed(&Logs::default())], [1, 2, 2, 1]);
}

#[test]
fn the_first_of_several_names_of_a_log_gives_its_source_a_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    touch(dir.path(), &["a/app-1.log", "a/app.log", "a/other.log"]);
    let paths = [dir.path().join("*/*.log"), dir.path().join("a/other.log"), dir.path().join("a")];
    let listing = list(&[Place::new(SourceId(0), "pbx", &paths)], &Logs::default(), Scope::All, &mut Seen::default());
    let names: Vec<&str> = listing.entries.iter().map(|entry| entry.source_name.as_str()).collect();
    assert_eq!(names, ["pbx/app-1.log", "pbx/app.log", "pbx/other.log"]);
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
    list(&places, &Logs::default(), Scope::All, &mut seen);
    for _ in 0..20 {
        list(&places, &Logs::default(), Scope::Directories(BTreeSet::from([dir.path().join("b")])), &mut seen);
    }
    fs::rename(dir.path().join("a/app.log"), dir.path().join("a/app.1.log")).unwrap();
    touch(dir.path(), &["a/app.log"]);
    let listing = list(&places, &Logs::default(), Scope::All, &mut seen);
    let rotation = listing.entries.iter().find(|entry| entry.path.ends_with("a/app.1.log"));
    assert_eq!(rotation.map(|entry| entry.chain.clone()), Some(dir.path().join("a/app.log")));
}
