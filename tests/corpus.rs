//! The recorded logs through `siptrail watch`, twice: the API holds exactly what was written.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Api, Siptrail, Truth, differences, eventually, log};

/// Watches a log until the API holds its truth, then once more on the same data: it goes on where it stopped.
async fn holds(logs: &[PathBuf], truth: &Truth, and_then: impl AsyncFn(&Api)) {
    let data = tempfile::tempdir().expect("a directory");
    let logs: Vec<&Path> = logs.iter().map(PathBuf::as_path).collect();
    for run in ["the first run", "the second run"] {
        let siptrail = Siptrail::watch_with(&["-v"], data.path(), &logs);
        let api = siptrail.api().await;
        settled(&api, run, truth).await;
        let streams = api.get("/api/v1/streams").await.expect("streams");
        for stream in streams["streams"].as_array().expect("streams") {
            assert_eq!(stream["gaps"].as_array().map(Vec::len), Some(0), "nothing is lost: {stream}");
            if run == "the second run" {
                let place = format!("stream={} offset={}", stream["id"].as_str().expect("id"), stream["watermark"]);
                let line = |line: &String| line.contains("goes on") && line.contains(&place);
                assert!(siptrail.said().iter().any(line), "no stream goes on at {place}: {:#?}", siptrail.said());
            }
        }
        and_then(&api).await;
        assert_eq!(siptrail.stop().await, Some(0), "{run} ends well");
    }
}

async fn settled(api: &Api, run: &str, truth: &Truth) {
    eventually(run, || async {
        let found = api.truth().await?;
        let wrong = differences(truth, &found);
        if !wrong.is_empty() {
            return Err(format!(
                "{} of {} records; {:#?}",
                found.len(),
                truth.len(),
                wrong.iter().take(5).collect::<Vec<_>>()
            ));
        }
        let waiting = api.get("/api/v1/streams").await?;
        let behind = waiting["streams"].as_array().is_none_or(|all| all.iter().any(|s| s["read_to"] != s["size"]));
        if behind { Err(format!("not read to the end: {waiting}")) } else { Ok(()) }
    })
    .await;
    correlated(api, truth).await;
}

/// Every final message, one before the watermark of its stream, belongs to a scenario.
async fn correlated(api: &Api, truth: &Truth) {
    eventually("correlation", || async {
        let messages = api.messages("").await?;
        let streams = api.all("streams", "").await?;
        let is_final = |m: &Value| {
            let stream = streams.iter().find(|stream| stream["id"] == m["stream"]);
            stream.is_some_and(|stream| m["offset"].as_u64() < stream["watermark"].as_u64())
        };
        let left = messages.iter().filter(|m| m.json["scenario_id"].is_null() && is_final(&m.json)).count();
        if left == 0 && messages.len() == truth.len() {
            Ok(())
        } else {
            Err(format!("{left} messages without a scenario"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_forking_proxys_log_is_stored_record_by_record() {
    let truth = Truth::read(&log("kamailio.truth.tsv"));
    assert_eq!(
        (
            truth.len(),
            truth.count(|e| e.kind == "sip"),
            truth.count(|e| e.kind == "rest"),
            truth.count(|e| e.kind == "push")
        ),
        (288, 270, 15, 3)
    );
    holds(&[log("kamailio.log")], &truth, async |api| {
        let calls = api.scenarios("&class=call").await.expect("scenarios");
        assert_eq!(calls.len(), 15, "each call is one scenario");
        let registrations = api.scenarios("&class=registration").await.expect("scenarios");
        assert_eq!(registrations.len(), 3, "the registrations have their own");
        assert_eq!(
            api.scenarios("").await.expect("scenarios").len(),
            15,
            "registrations are hidden from the default search"
        );

        let forked: Vec<&Value> = calls.iter().filter(|s| s["callee"] == "bob").collect();
        let lonely: Vec<&Value> = calls.iter().filter(|s| s["callee"] == "dave").collect();
        assert_eq!((forked.len(), lonely.len()), (12, 3));
        for scenario in forked {
            three_branches(
                &api.get(&format!("/api/v1/scenarios/{}", scenario["id"].as_str().expect("id")))
                    .await
                    .expect("scenario"),
            );
        }
        for scenario in lonely {
            rest_then_push(
                &api.get(&format!("/api/v1/scenarios/{}", scenario["id"].as_str().expect("id")))
                    .await
                    .expect("scenario"),
            );
        }
    })
    .await;
}

/// The forked call: three branches to the three devices with their outcomes.
fn three_branches(scenario: &Value) {
    let legs: Vec<(&str, &str, &str)> = scenario["legs"]
        .as_array()
        .expect("legs")
        .iter()
        .map(|leg| {
            let text = |name: &str| leg[name].as_str().unwrap_or("");
            (text("tag"), text("target"), text("outcome"))
        })
        .collect();
    let branches: Vec<_> = legs.iter().filter(|(tag, ..)| tag.starts_with('B')).collect();
    let mut devices: Vec<&str> = branches.iter().map(|(_, device, _)| *device).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["bob 5081", "bob 5082", "bob 5083"], "{legs:?}");
    assert_eq!(branches.iter().filter(|(.., outcome)| *outcome == "answered").count(), 1, "{legs:?}");
    assert_eq!(branches.iter().filter(|(.., outcome)| *outcome == "released").count(), 2, "{legs:?}");
}

/// A call to dave: a REST lookup and its answer, then a push; the proxy's 480 is not logged and not invented.
fn rest_then_push(scenario: &Value) {
    let rows = scenario["rows"].as_array().expect("rows");
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["SIP", "REST", "REST", "PUSH"], "the INVITE, the lookup and its result, the push: {scenario}");
    assert!(rows.iter().all(|row| row["status"] != 480), "{scenario}");
}

#[tokio::test]
async fn a_message_between_two_servers_is_one_arrow_with_two_sightings() {
    let truth = Truth::read(&log("two-servers/core.truth.tsv")).and(Truth::read(&log("two-servers/edge.truth.tsv")));
    holds(&[log("two-servers/core.log"), log("two-servers/edge.log")], &truth, async |api| {
        let calls = api.scenarios("&class=call").await.expect("scenarios");
        assert_eq!(calls.len(), 8);
        for call in calls {
            let scenario =
                api.get(&format!("/api/v1/scenarios/{}", call["id"].as_str().expect("id"))).await.expect("scenario");
            let name = |at: &Value| {
                scenario["nodes"][at.as_u64().expect("a node") as usize]["name"].as_str().unwrap_or("").to_owned()
            };
            let rows = scenario["rows"].as_array().expect("rows");
            let between: Vec<&Value> = rows
                .iter()
                .filter(|row| {
                    let mut ends = [name(&row["from"]), name(&row["to"])];
                    ends.sort();
                    ends == ["127.0.0.1:5070", "127.0.0.1:5071"]
                })
                .collect();
            // The core logs neither its own 100 nor its own 480: only the edge saw those.
            for row in between.iter().filter(|row| row["status"] != 100 && row["status"] != 480) {
                assert_eq!(row["sightings"].as_array().map(Vec::len), Some(1), "the other log's sighting: {row}");
            }
            assert!(between.len() >= 2, "{scenario}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_rolled_log_of_an_application_is_read_oldest_first_and_whole() {
    let truth = Truth::read(&log("logback.truth.tsv"));
    assert_eq!(truth.len(), 1200);
    holds(&[log("logback")], &truth, async |api| {
        let streams = api.get("/api/v1/streams").await.expect("streams");
        let streams = streams["streams"].as_array().expect("streams").clone();
        assert_eq!(streams.len(), 4);
        let sources: std::collections::BTreeSet<_> = streams.iter().filter_map(|s| s["source_name"].as_str()).collect();
        assert_eq!(sources.len(), 1, "one rotation chain is one source: {sources:?}");
    })
    .await;
}
