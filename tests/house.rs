//! The house keeps its own rules: who depends on whom, and that its examples are true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The arrows of ARCHITECTURE.md: a crate, and the crates of the house it may depend on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("record", &[]),
    ("message", &["record"]),
    ("rule", &["message", "record"]),
    ("agent", &["record"]),
    ("store", &["message", "record", "rule"]),
    ("collector", &["message", "record", "rule", "store"]),
    ("web", &["message", "record", "rule", "store"]),
    ("siptrail", &["agent", "collector", "message", "record", "rule", "store", "web"]),
];

/// Crates of pure functions and values, and what these must not know.
const PURE: [&str; 3] = ["record", "message", "rule"];
const NOT_PURE: [&str; 4] = ["tokio", "sqlx", "axum", "reqwest"];

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), ARROWS.len(), "a new crate needs its arrows here and in ARCHITECTURE.md");
    for (name, allowed) in ARROWS {
        let package = packages.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("no crate {name}"));
        let normal = package["dependencies"].as_array().expect("dependencies").iter().filter(|d| d["kind"].is_null());
        let names: BTreeSet<&str> = normal.filter_map(|d| d["name"].as_str()).collect();
        let house: Vec<&str> = names.iter().copied().filter(|n| ARROWS.iter().any(|(house, _)| house == n)).collect();
        assert_eq!(house, allowed, "dependencies of {name}");
        if PURE.contains(&name) {
            assert!(NOT_PURE.iter().all(|n| !names.contains(n)), "{name} is pure: {names:?}");
        }
    }
}

#[test]
fn modules_of_pure_crates_know_only_those_listed_before_them() {
    for name in PURE {
        know_only_those_listed_before_them(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("src"));
    }
}

/// The list at the head of a crate's `lib.rs` is the order in which it is read; its tests may know all of it.
fn know_only_those_listed_before_them(src: &Path) {
    let lib = read(&src.join("lib.rs"));
    let order: Vec<&str> = lib
        .lines()
        .filter(|line| line.starts_with("//! - "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let declared =
        lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    assert_eq!(declared.collect::<BTreeSet<_>>(), order.iter().copied().collect(), "each module is listed once");
    for (at, module) in order.iter().enumerate() {
        for file in files(src, module) {
            let code = read(&file);
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for known in crate_paths(code) {
                let place = order.iter().position(|other| *other == known);
                assert!(place.is_some_and(|place| place <= at), "{}: {module} knows {known}", file.display());
            }
        }
    }
}

/// Whoever reads a module reads what it knows, and need not come back to it.
#[test]
fn no_modules_know_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = ARROWS.iter().filter(|(name, _)| root.join(name).is_dir());
    let crates = crates.map(|(name, _)| (root.join(name).join("src"), "lib.rs"));
    for (src, head) in crates.chain([(root.join("src"), "main.rs")]) {
        let head = read(&src.join(head));
        let modules: Vec<&str> = head.split("#[cfg(test)]\nmod ").flat_map(declared).collect();
        let mut left: BTreeMap<&str, BTreeSet<String>> =
            modules.iter().map(|module| (*module, known_to(&src, module))).collect();
        drop_free(&mut left);
        assert!(left.is_empty(), "{}: a circle lies among {left:#?}", src.display());
    }
}

/// What knows nothing that is left is in no circle.
fn drop_free<T: Ord + Clone + ToString>(left: &mut BTreeMap<T, BTreeSet<String>>) {
    loop {
        let names: BTreeSet<String> = left.keys().map(ToString::to_string).collect();
        let before = left.len();
        left.retain(|module, known| known.iter().any(|other| *other != module.to_string() && names.contains(other)));
        if left.len() == before {
            break;
        }
    }
}

/// Folders in which files still know each other in a circle: what they hold is to be taken apart.
const TANGLED: [&str; 7] = [
    "agent/src/follow",
    "message/src/course",
    "message/src/legs",
    "record/src/format",
    "record/src/frame",
    "web/src/scenario",
    "web/src/search",
];

/// The same within each folder: `use super::other`.
#[test]
fn no_files_of_a_folder_know_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tangled = Vec::new();
    let mut folders: Vec<PathBuf> =
        ARROWS.iter().map(|(name, _)| root.join(name).join("src")).filter(|src| src.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> =
            std::fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
        folders.extend(entries.iter().filter(|path| path.is_dir() && !path.ends_with("tests")).cloned());
        if folder.ends_with("src") {
            continue;
        }
        let files = entries.iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
        let mut left: BTreeMap<String, BTreeSet<String>> = files
            .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), siblings(&read(path))))
            .collect();
        drop_free(&mut left);
        if !left.is_empty() {
            tangled.push(folder.strip_prefix(root).expect("below it").display().to_string());
        }
    }
    tangled.sort();
    assert_eq!(tangled, TANGLED, "a new circle, or one that is gone");
}

/// The modules named by `super::a…` and `super::{a, b::c}`, without what tests know.
fn siblings(code: &str) -> BTreeSet<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    crate_paths(&code.join("\n").replace("super::super::", "").replace("crate::", "").replace("super::", "crate::"))
}

fn declared(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    })
}

/// Without what its tests know.
fn known_to(src: &Path, module: &str) -> BTreeSet<String> {
    let code = files(src, module).into_iter().filter(|file| file.is_file()).map(|file| read(&file));
    let code = code.map(|code| code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
    let code = code
        .map(|code| code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n"));
    code.flat_map(|code| crate_paths(&code)).collect()
}

/// The code of a module: `a.rs` and what lies in `a/`, without files that are tests alone.
fn files(src: &Path, module: &str) -> Vec<PathBuf> {
    let own = src.join(format!("{module}.rs"));
    let tests = read(&own);
    let tests: Vec<_> = tests.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split(';').next()).collect();
    let folder = std::fs::read_dir(src.join(module)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        folder.filter(|path| !tests.iter().any(|test| path.file_stem().is_some_and(|stem| stem == *test))).collect();
    files.push(own);
    files
}

/// The modules named by `crate::a…` and `crate::{a, b::c}`.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let named = |path: &str| match path.strip_prefix('{') {
        None => vec![name(path)],
        Some(list) => list.split('}').next().unwrap_or_default().split(',').map(|path| name(path.trim())).collect(),
    };
    code.split("crate::").skip(1).flat_map(named).filter(|name| !name.is_empty()).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn example_configs_are_read_by_the_programs_they_are_for() {
    let etc = |file: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(file);
    agent::Config::load(&etc("agent.toml"), |_| {}).expect("etc/agent.toml");
    let text = std::fs::read_to_string(etc("collector.toml")).expect("etc/collector.toml");
    let config: collector::Config = toml::from_str(&text).expect("etc/collector.toml");
    assert_eq!(config, collector::Config::default());
}

/// What always holds is shown by tests; one that is renamed takes its line with it.
#[test]
fn tests_that_the_architecture_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let is_name = |name: &&str| {
        name.matches('_').count() > 2 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 40, "only {} names of tests in ARCHITECTURE.md", named.len());
    let code = code_of(root);
    let missing: Vec<&str> = named.into_iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that are not there: {missing:#?}");
}

/// All Rust of the house, one behind the other.
fn code_of(root: &Path) -> String {
    let (mut code, mut left) = (String::new(), Vec::new());
    left.extend(ARROWS.iter().map(|(name, _)| root.join(name)).chain([root.join("src"), root.join("tests")]));
    while let Some(place) = left.pop() {
        if place.is_dir() {
            left.extend(std::fs::read_dir(&place).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else if place.extension().is_some_and(|extension| extension == "rs") {
            code += &std::fs::read_to_string(&place).expect("Rust");
        }
    }
    code
}
