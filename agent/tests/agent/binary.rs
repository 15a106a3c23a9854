//! `siptrail-agent` as a program.

use std::fs;
use std::process::{Command, Output};

fn run(config: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.toml");
    fs::write(&file, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_siptrail-agent")).arg("--config").arg(&file).env("NO_COLOR", "1").output().unwrap()
}

#[test]
fn a_wrong_config_ends_with_2_and_says_where_and_what() {
    let ended = run("poll = \"1s\"\n[[source]]\nname = \"pbx\"\npaths = []\n");
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("agent.toml:4: paths: name at least one file, directory or pattern"), "{said}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn a_state_that_cannot_be_used_ends_with_1() {
    let ended = run("state = \"/proc/siptrail\"\n[[source]]\nname = \"pbx\"\npaths = [\"/x/*.log\"]\n");
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot use /proc/siptrail for the agent's state"));
}
