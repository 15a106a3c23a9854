//! Live traffic: SIPp calls through Kamailio, its log followed while logrotate rotates it; every record arrives once.

use std::path::Path;

use serde_json::Value;

use crate::support::{
    Api, Lab, Siptrail, Step, differences, eventually, finish, interleaved, moved, read_again, records,
};

const CALLS: usize = 20;
/// Through two proxies.
const FEW: usize = 5;
const ROTATIONS: usize = 3;

#[tokio::test]
async fn calls_through_a_real_proxy_arrive_whole_while_its_log_is_rotated() {
    let dir = tempfile::tempdir().expect("a directory");
    let lab = Lab::start(dir.path());
    let log = dir.path().join("logs/kamailio.log");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&dir.path().join("logs/*.log")]);
    let api = siptrail.api().await;

    let devices = [lab.device("answers.xml"), lab.device("rings.xml"), lab.device("rings.xml")];
    lab.register(&devices.each_ref().map(|(port, _)| *port)).await;
    let calls = lab.calls(CALLS);
    for rotation in 1..=ROTATIONS {
        lab.has_written(rotation * CALLS * 3).await;
        lab.rotate(&log).await;
    }
    finish("calls", calls).await;
    let written = lab.stop();
    assert!(written.len() > CALLS * 15, "real traffic was logged: {} records", written.len());

    eventually("every record of the proxy's log is stored once", || async {
        let wrong = differences(&written, &api.truth().await?);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("{} differences: {:#?}", wrong.len(), wrong.iter().take(4).collect::<Vec<_>>()))
        }
    })
    .await;
    eventually("each call is one scenario", || async {
        let calls = api.scenarios("&class=call").await?;
        if calls.len() == CALLS { Ok(()) } else { Err(format!("{} of {CALLS} calls", calls.len())) }
    })
    .await;
    // A rotation may lie amid the call: what stands in the newer file is joined a moment after it is stored.
    eventually("the call has a leg for each of three devices of one person", || async {
        let call = api.scenarios("&class=call").await?.remove(0);
        let scenario = api.get(&format!("/api/v1/scenarios/{}", Api::id(&call))).await?;
        let legs = scenario["legs"].as_array().ok_or("no legs")?;
        let tags: Vec<&str> = legs.iter().filter_map(|leg| leg["tag"].as_str()).collect();
        if ["A", "B1", "B2", "B3"].iter().all(|tag| tags.contains(tag)) { Ok(()) } else { Err(format!("{tags:?}")) }
    })
    .await;
    let streams = api.get("/api/v1/streams").await.expect("streams");
    assert_eq!(streams["streams"].as_array().map(Vec::len), Some(ROTATIONS + 1), "a stream a file, over renames");
    assert_eq!(siptrail.stop().await, Some(0));
}

/// With the second snippet, a registration is known to be answered, and a call to somebody without a phone to be refused.
#[tokio::test]
async fn what_a_real_proxy_answers_itself_is_logged_and_judged() {
    let dir = tempfile::tempdir().expect("a directory");
    let lab = Lab::start_as(dir.path(), "answers.cfg", &[]);
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&dir.path().join("logs/*.log")]);
    let api = siptrail.api().await;
    let phone = lab.device("answers.xml");
    lab.register(&[phone.0]).await;
    finish("calls to nobody", lab.calls_as("refused.xml", "nobody", "to-nobody-%u", 2, 10)).await;
    let outcomes = async |class: &str| -> Result<Vec<(u64, String)>, String> {
        let rows = api.scenarios(&format!("&class={class}")).await?;
        let row = |row: &Value| {
            (row["status"].as_u64().unwrap_or_default(), row["outcome"].as_str().unwrap_or_default().to_owned())
        };
        Ok(rows.iter().map(row).collect())
    };
    eventually("the registration went well", || async {
        let said = outcomes("registration").await?;
        if said == [(200, "ok".to_owned())] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    eventually("both calls were refused", || async {
        let said = outcomes("call").await?;
        let refused = (480, "business".to_owned());
        if said == [refused.clone(), refused] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    drop(lab);
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn through_two_real_proxies_each_device_is_told_by_what_it_did() {
    let dir = tempfile::tempdir().expect("a directory");
    let core = Lab::start(&dir.path().join("core"));
    let next = format!("NEXT=\"sip:127.0.0.1:{}\"", core.port);
    let edge = Lab::start_as(&dir.path().join("edge"), "edge.cfg", &["-A".into(), next]);
    let logs = [dir.path().join("core/logs/*.log"), dir.path().join("edge/logs/*.log")];
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&logs[0], &logs[1]]);
    let api = siptrail.api().await;

    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port that says nothing");
    let silent_port = silent.local_addr().expect("its address").port();
    let (answers, declines) = (core.device("answers.xml"), core.device("declines.xml"));
    core.register(&[answers.0, declines.0, silent_port]).await;
    finish("calls", edge.calls(FEW)).await;

    eventually("list and API say what each device did", || async {
        let calls = api.scenarios("&class=call").await?;
        if calls.len() != FEW || calls.iter().any(|call| call["problems"].is_null()) {
            return Err(format!("{} of {FEW} calls", calls.len()));
        }
        for call in calls {
            let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&call))).await?;
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let legs = picture["legs"].as_array().ok_or("no legs")?.iter();
            let mut outcomes: Vec<String> =
                legs.map(|leg| format!("{} {}", leg["status"], word(&leg["outcome"]))).collect();
            outcomes.sort();
            let ended =
                picture["course"]["callers"][0]["ended_by"].as_u64().and_then(|node| usize::try_from(node).ok());
            let ended = ended.map_or_else(String::new, |node| word(&picture["nodes"][node]["name"]));
            let told = (call["status"].as_u64(), word(&call["answered_by"]), word(&call["caller"]), outcomes, ended);
            let talked = call["talked"].as_i64().is_some_and(|micros| (40_000..5_000_000).contains(&micros));
            let sightings = picture["rows"].as_array().into_iter().flatten();
            let folded = sightings.filter(|row| row["sightings"].as_array().is_some_and(|all| !all.is_empty())).count();
            let expected =
                ["200 answered", "200 answered", "486 refused", "null unreachable"].map(String::from).to_vec();
            if told != (Some(200), "bob".into(), "alice".into(), expected, "alice".into()) || !talked || folded < 5 {
                return Err(format!("{told:?}, {talked}, {folded} rows of two logs: {}", picture["course"]));
            }
        }
        Ok(())
    })
    .await;
    let logs = [edge, core].map(|lab| {
        let log = lab.log();
        lab.stop();
        records(&log)
    });
    let expected = eventually("each call is whole", || told(&api)).await;
    assert_eq!(siptrail.stop().await, Some(0));
    are_told_alike_however_they_are_read(&dir.path().join("again"), logs, &expected).await;
}

/// How far a clock is off, in microseconds.
const OFF: i64 = 900_000;
/// What is measured of it is as exact as the ways of messages within one machine take equal time.
const NEARLY: i64 = 60_000;

async fn are_told_alike_however_they_are_read(dir: &Path, [edge, core]: [Vec<String>; 2], expected: &[String]) {
    let whole = |log: &'static str, records: &[String]| Step::Grows(log, records.to_vec());
    let both = || [("edge", edge.clone()), ("core", core.clone())];
    let (early, late) = edge.split_at(edge.len() / 2);
    let settled = || Step::IsSettled(FEW);
    let off = |off: i64| vec![whole("edge", &moved(&edge, off)), whole("core", &core)];
    let ways: [(&str, i64, Vec<Step>); 6] = [
        ("the edge first", 0, vec![whole("edge", &edge), settled(), whole("core", &core)]),
        ("the core first", 0, vec![whole("core", &core), settled(), whole("edge", &edge)]),
        ("by turns", 0, interleaved(&both(), 5)),
        (
            "with a rotation",
            0,
            vec![whole("edge", early), Step::IsRenamed("edge"), whole("edge", late), whole("core", &core)],
        ),
        ("with an edge in advance", OFF, off(OFF)),
        ("with an edge that is late", -OFF, off(-OFF)),
    ];
    let read = async |(way, off, steps): &(&str, i64, Vec<Step>)| {
        let (siptrail, api) = read_again(&dir.join(way), steps).await;
        eventually(way, || async {
            let said = told(&api).await?;
            let differing = said.iter().zip(expected).find(|(said, expected)| said != expected);
            if let Some((said, expected)) = differing {
                return Err(format!("{said}\ninstead of\n{expected}"));
            }
            let apart = clocks_apart(&api).await?;
            if (apart - off.abs()).abs() <= NEARLY { Ok(()) } else { Err(format!("clocks {apart} apart")) }
        })
        .await;
        assert_eq!(siptrail.stop().await, Some(0));
    };
    // At the same time: nearly all of it is waiting.
    let [a, b, c, d, e, f] = &ways;
    tokio::join!(read(a), read(b), read(c), read(d), read(e), read(f));
}

/// How far the clocks are told to be apart, in microseconds.
async fn clocks_apart(api: &Api) -> Result<i64, String> {
    let call = api.scenarios("&class=call").await?.remove(0);
    let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&call))).await?;
    let nodes = picture["nodes"].as_array().into_iter().flatten().filter(|node| node["kind"] == "server");
    let shifts: Vec<i64> = nodes.filter_map(|node| node["clock_shift"].as_i64()).collect();
    Ok(shifts.iter().max().zip(shifts.iter().min()).map_or(0, |(most, least)| most - least))
}

/// What is said of each call, without its times: the result, who answered and hung up, what each device did, how long they talked,
/// what went wrong; and its rows with how many logs have each and how often it was sent.
async fn told(api: &Api) -> Result<Vec<String>, String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut told = Vec::new();
    for call in api.scenarios("&class=call").await? {
        if call["problems"].is_null() || call["provisional"] == true {
            return Err(format!("not settled: {call}"));
        }
        let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&call))).await?;
        let node = |at: &Value| at.as_u64().map_or("-".to_owned(), |at| word(&picture["nodes"][at as usize]["name"]));
        let all = |field: &str| picture[field].as_array().cloned().unwrap_or_default();
        let legs = all("legs");
        let legs: Vec<String> = legs
            .iter()
            .map(|leg| {
                format!("{} {} {} {}", word(&leg["tag"]), node(&leg["node"]), leg["status"], word(&leg["outcome"]))
            })
            .collect();
        let length = |list: &Value| list.as_array().map_or(0, Vec::len);
        let mut rows: Vec<String> = all("rows")
            .iter()
            .map(|row| {
                let (from, to, leg) = (node(&row["from"]), node(&row["to"]), &row["leg"]);
                let times = (length(&row["sightings"]), length(&row["repeats"]));
                format!("{leg} {} {from} > {to} {times:?} {}", word(&row["method"]), word(&row["remark"]))
            })
            .collect();
        rows.sort();
        let caller = &picture["course"]["callers"][0];
        let ended = (word(&caller["end"]), node(&caller["ended_by"]), &caller["lasted"]);
        let list =
            ["status", "answered_by", "caller", "callee", "talked", "problems"].map(|field| call[field].to_string());
        told.push(format!("{} {list:?} {legs:?} {ended:?}\n{rows:#?}", word(&picture["legs"][0]["call_id"])));
    }
    told.sort();
    if told.len() == FEW { Ok(told) } else { Err(format!("{} of {FEW} calls", told.len())) }
}
