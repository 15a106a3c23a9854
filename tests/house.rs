//! The house keeps its own rules: who depends on whom, and that its examples are true.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The arrows of ARCHITECTURE.md: a crate, and the crates of the house it may depend on.
const ARROWS: [(&str, &[&str]); 6] = [
    ("message", &[]),
    ("agent", &["message"]),
    ("store", &["message"]),
    ("collector", &["message", "store"]),
    ("web", &["message", "store"]),
    ("siptrail", &["agent", "collector", "message", "store", "web"]),
];

/// What a pure crate must not know.
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
        if name == "message" {
            assert!(NOT_PURE.iter().all(|n| !names.contains(n)), "message is pure: {names:?}");
        }
    }
}

#[test]
fn example_configs_are_read_by_the_programs_they_are_for() {
    let etc = |file: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(file);
    agent::Config::load(&etc("agent.toml"), |_| {}).expect("etc/agent.toml");
    let text = std::fs::read_to_string(etc("collector.toml")).expect("etc/collector.toml");
    let config: collector::Config = toml::from_str(&text).expect("etc/collector.toml");
    assert_eq!(config, collector::Config::default());
}

/// What always holds is shown by tests; one that is renamed takes its line with it.
#[test]
fn tests_that_the_architecture_names_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
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
fn code_of(root: &std::path::Path) -> String {
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
