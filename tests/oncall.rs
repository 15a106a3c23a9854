//! From real traffic to a mailbox: SIPp calls through Kamailio, an application server that looks up and pushes, mails by Exim.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    Api, Exim, Lab, Oncall, Siptrail, Wishes, application, eventually, finish, readable, said, with_least,
};

/// Calls that go well before others break, by which it is learned what the logs hold.
const WELL: usize = 20;
/// As many as the shipped rule asks for before it is mailed.
const LOOK_UPS: usize = 10;
const FEW: usize = 2;
const AWAKE: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const ASLEEP: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// By failure: how its calls are named, how many they are, the rule, and where its link leads.
const BROKEN: [(&str, &str, usize, &str); 5] = [
    ("no-response", "unreachable", FEW, "call-completes.trying.A"),
    ("no-ack", "unacknowledged", FEW, "answered-no-ack.ack.B1"),
    ("bye-unanswered", "deaf", FEW, "bye-propagates.answered.B1"),
    ("api-timeout", "lookup", LOOK_UPS, "rest-answers.answer.A"),
    ("push-no-wake", "asleep", FEW, "push-wakes-device.wake.B1"),
];

#[tokio::test]
async fn what_breaks_in_real_traffic_is_mailed_once_by_the_shipped_rules_and_nothing_else_is() {
    let exim = Exim::start().await;
    let data = tempfile::tempdir().expect("a directory");
    let oncall = Oncall::make(
        &with_least(&exim.toml(&exim.trusted())),
        &format!("data = \"{}\"", data.path().display()),
        "[defaults]\ngroup_wait = \"15s\"\n",
    );
    let lab = Lab::start(oncall.dir.path());
    let (collector, agent) = (oncall.start("collector"), oncall.start("agent"));
    let api = collector.api().await;

    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port that says nothing");
    let silent_port = silent.local_addr().expect("its address").port();
    let devices = ["answers.xml", "answers.xml", "deaf.xml"].map(|scenario| lab.device(scenario));
    let [bob, phone, deaf] = devices.each_ref().map(|(port, _)| *port);
    let params = |token: &str| format!(";pn-provider=apns;pn-param=ABCDE.com.example.voip;pn-prid={token}");
    lab.register(&[bob]).await;
    lab.register_as("nobody", "", &[silent_port]).await;
    lab.register_as("deaf", "", &[deaf]).await;
    lab.register_as("sleeper", &params(AWAKE), &[phone]).await;
    lab.register_as("sleeper-2", &params(ASLEEP), &[silent_port]).await;

    let phones = [("sleeper", AWAKE), ("sleeper-2", ASLEEP)];
    let wishes = Wishes { unanswered: "lookup", phones, params, port: phone };
    let log = oncall.logs().join("application.log");
    let traffic = async {
        finish("healthy calls", lab.calls_as("calls.xml", "bob", "well-%u", WELL, 10)).await;
        for number in 0..FEW {
            finish("a push that wakes", lab.calls_as("calls.xml", "sleeper", &format!("woken-{number}"), 1, 1)).await;
        }
        finish("look-ups that fail", lab.calls_as("calls.xml", "bob", "lookup-%u", LOOK_UPS, 10)).await;
        // What the log ends with is not final yet, so these come after.
        let broken = [
            lab.calls_as("calls.xml", "nobody", "unreachable-%u", FEW, 10),
            lab.calls_as("never_acks.xml", "bob", "unacknowledged-%u", FEW, 10),
            lab.calls_as("calls.xml", "deaf", "deaf-%u", FEW, 10),
            lab.calls_as("calls.xml", "sleeper-2", "asleep-%u", FEW, 10),
        ];
        let mails = exim.delivered("oncall", BROKEN.len()).await;
        drop(broken);
        mails
    };
    tokio::select! {
        () = application(&lab, &log, wishes) => unreachable!("it works as long as the test"),
        _ = traffic => {}
    }
    judged(&api, &oncall).await;
    let mails = exim.delivered("oncall", BROKEN.len()).await;
    let mails: Vec<String> = mails.iter().map(|mail| readable(mail)).collect();
    let ids = oncall.scenarios(&api).await;
    let mut links = 0;
    for (failure, named, number, fragment) in BROKEN {
        let own: Vec<&String> =
            mails.iter().filter(|mail| said(mail, "Subject:").concat().contains(&format!(" {failure}:"))).collect();
        let [mail] = own[..] else { panic!("{} mails of {failure}: {mails:#?}", own.len()) };
        let broken: BTreeSet<&str> =
            ids.iter().filter(|(call, _)| call.starts_with(named)).map(|(_, id)| id.as_str()).collect();
        let listed = said(mail, "scenarios:").concat();
        let listed: Vec<&str> = listed.split_whitespace().collect();
        assert_eq!((listed.len(), broken.len()), (number, number), "{mail}");
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), broken, "{mail}");
        for link in said(mail, &format!("{}/s/", oncall.url)) {
            let (id, place) = link.split_once('#').expect("a place in the page");
            assert_eq!((broken.contains(id), place), (true, fragment), "{mail}");
            let page = api.page(&format!("/s/{id}")).await.expect("the page");
            assert!(page.contains(&format!("id=\"{place}\"")), "{place} in {page}");
            links += 1;
        }
        let group = said(mail, "X-Siptrail-Group:").concat();
        let page = api.page(&format!("/a/{group}")).await.expect("the page of the group");
        assert!(broken.iter().all(|id| page.contains(&format!("/s/{id}"))), "{broken:?} in {page}");
    }
    assert_eq!(links, BROKEN.iter().map(|(_, _, number, _)| number).sum::<usize>());
    assert_eq!(mails.len(), BROKEN.len(), "nobody is woken for what went well: {mails:#?}");
    let alerts = api.get("/api/v1/alerts").await.expect("alerts");
    assert_eq!(alerts["alerts"].as_array().map(Vec::len), Some(BROKEN.len()), "{alerts}");
    drop(lab);
    ends(agent, collector).await;
}

/// Waits until rules have said of each call what they will.
async fn judged(api: &Api, oncall: &Oncall) {
    eventually("all calls are judged", || async {
        let mut outcomes: BTreeMap<String, String> = BTreeMap::new();
        let ids = oncall.scenarios(api).await;
        for call in api.scenarios("&class=call").await? {
            let id = Api::id(&call);
            let name = ids.iter().find(|(_, of)| **of == id).map(|(name, _)| name.clone()).unwrap_or_default();
            outcomes.insert(name, call["outcome"].as_str().unwrap_or("none").to_owned());
        }
        let expected = |name: &str| match name {
            name if name.starts_with("well") || name.starts_with("woken") => "ok",
            _ => "failed",
        };
        let left: Vec<_> = outcomes.iter().filter(|(name, outcome)| *outcome != expected(name)).collect();
        let all = WELL + FEW + BROKEN.iter().map(|(_, _, number, _)| number).sum::<usize>();
        if left.is_empty() && outcomes.len() == all {
            Ok(())
        } else {
            Err(format!("{} of {all}: {left:#?}", outcomes.len()))
        }
    })
    .await;
}

async fn ends(agent: Siptrail, collector: Siptrail) {
    assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));
}
