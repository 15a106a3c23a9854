//! `siptrail-agent` as a program.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use record::wire::{self, Positions};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn command(dir: &TempDir, config: &str) -> Command {
    let file = dir.path().join("agent.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail-agent"));
    command.arg("--config").arg(&file).env_remove("RUST_LOG").env_remove("NO_COLOR");
    command
}

fn run(config: &str) -> Output {
    command(&tempfile::tempdir().unwrap(), config).output().unwrap()
}

#[test]
fn a_wrong_config_ends_with_2_and_says_where_and_what() {
    let ended = run("poll = \"1s\"\n[[source]]\nname = \"pbx\"\npaths = []\n");
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("agent.toml:4: paths: name at least one file, directory or pattern"), "{said}");
    assert!(!said.contains('\x1b'), "colours are for terminals: {said}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn a_state_that_cannot_be_used_ends_with_1_and_says_why_once() {
    let ended = run("state = \"/proc/siptrail\"\n[[source]]\nname = \"pbx\"\npaths = [\"/x/*.log\"]\n");
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("cannot use /proc/siptrail for the agent's state"), "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
}

/// Reads on until a line holds this.
fn says(lines: &mut Lines<BufReader<ChildStderr>>, what: &str) -> String {
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        if line.contains(what) {
            return line;
        }
        said.push(line);
    }
    panic!("it ended without {what:?}: {said:#?}");
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_signal_lets_it_finish_and_the_second_ends_it_at_once() {
    let server = MockServer::start().await;
    let none = wire::encode(&Positions::default()).unwrap();
    let positions = ResponseTemplate::new(200).set_body_bytes(none);
    Mock::given(method("GET")).and(path("/api/v1/positions")).respond_with(positions).mount(&server).await;
    // An answer that never comes in time.
    let never = ResponseTemplate::new(200).set_delay(Duration::from_mins(10));
    Mock::given(method("POST")).and(path("/api/v1/append")).respond_with(never).mount(&server).await;

    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("app.log"), crate::world::record(1, 500)).unwrap();
    let config = format!(
        "state = {:?}\ncollector = {:?}\ndrain = \"10m\"\n[[source]]\nname = \"pbx\"\npaths = [{:?}]\n",
        at("state"),
        server.uri(),
        at("app.log")
    );
    let mut child = command(&dir, &config).arg("-v").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    says(&mut lines, "is followed");
    while server.received_requests().await.unwrap().iter().all(|request| request.method != "POST") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    says(&mut lines, "DEBUG");
    terminate(&child);
    says(&mut lines, "stopping: what is read is being stored");
    assert!(child.try_wait().unwrap().is_none(), "it waits for its answer");
    terminate(&child);
    says(&mut lines, "stopped at once: what was not stored yet is read again");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
