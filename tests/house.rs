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
