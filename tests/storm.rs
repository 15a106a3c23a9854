//! A storm: calls of many sites fail in one minute. Few mails say so, none that is critical waits, and every call is found.

use std::collections::BTreeSet;

use crate::support::made::{self, End};
use crate::support::{Api, Faulty, Oncall, eventually, said, with_least};

/// Sites with a group each, and one that alone has more than a page of a group lists.
const SITES: usize = 30;
const OF_A_SITE: usize = 40;
const OF_ONE: usize = 800;
const WELL: usize = 20;
const SECOND: i64 = 1_000_000;
/// Mails of a day; with what is kept for critical ones, as many are left as the hour of a team has, and one.
const BUDGET: &str = "per_day = 19\nreserve_critical = 6\n";
const PER_HOUR: usize = 12;

/// Calls that broke within a minute, three minutes ago.
fn site(name: &str, broken: usize, end: End) -> String {
    let begins = collector::ingest::now().0 - 300 * SECOND;
    let mut records = Vec::new();
    for nth in 0..WELL {
        made::call(&mut records, begins + nth as i64 * SECOND, &format!("{name}-well-{nth}"), End::Well);
    }
    for nth in 0..broken {
        let at = begins + 60 * SECOND + (nth as i64 * 60 * SECOND) / broken as i64;
        made::call(&mut records, at, &format!("{name}-broken-{nth}"), end);
    }
    made::log(records)
}

#[tokio::test]
async fn of_thousands_of_failures_in_a_minute_few_mails_tell_and_the_reserve_is_left_to_critical_ones() {
    let server = Faulty::start("none");
    let data = tempfile::tempdir().expect("a directory");
    let envs = (0..=SITES).map(|nth| format!("[[env]]\nname = \"site-{nth}\"\nsource = \"*site-{nth}.log\"\n"));
    let mail = with_least(&server.toml(&format!("\n{}", envs.collect::<Vec<_>>().concat())));
    let routes = format!(
        "[defaults]\ngroup_wait = \"2s\"\n[budget]\n{BUDGET}[[team]]\nname = \"lead\"\nto = [\"lead@example.com\"]\n\
         [[route]]\nmatch = {{ severity = \"critical\" }}\nto = [\"lead\"]\n"
    );
    let oncall = Oncall::make(&mail, &format!("data = \"{}\"", data.path().display()), &routes);
    for nth in 0..=SITES {
        let (name, broken) = (format!("site-{nth}"), if nth == SITES { OF_ONE } else { OF_A_SITE });
        std::fs::write(oncall.logs().join(format!("{name}.log")), site(&name, broken, End::NoByeAnswer))
            .expect("written");
    }
    let (collector, agent) = (oncall.start("collector"), oncall.start("agent"));
    let api = collector.api().await;
    let all = SITES * OF_A_SITE + OF_ONE;
    eventually("all failures are in groups", || async {
        let (groups, failures) = groups(&api).await?;
        if (groups.len(), failures) == (SITES + 1, all) {
            Ok(())
        } else {
            Err(format!("{failures} in {}", groups.len()))
        }
    })
    .await;
    server.was_asked("CONTENT", PER_HOUR + 1).await;
    let mails = server.mails();
    let storms: Vec<&String> = mails.iter().filter(|mail| said(mail, "Subject:").concat().contains("STORM")).collect();
    let [storm] = storms[..] else { panic!("{} storm mails: {mails:#?}", storms.len()) };
    assert!(storm.contains("/a/") && said(storm, "To:") == ["oncall@example.com"], "{storm}");

    // What is critical is mailed at once, by the reserve.
    std::fs::write(oncall.logs().join("critical.log"), site("critical", 1, End::NoAck)).expect("written");
    server.was_asked("CONTENT", PER_HOUR + 2).await;
    let last = server.mails().pop().expect("a mail");
    assert_eq!(said(&last, "To:"), ["lead@example.com"]);
    assert!(said(&last, "Subject:").concat().contains("CRITICAL no-ack"), "{last}");

    reachable(&api, all).await;
    assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));
    assert_eq!(server.mails().len(), PER_HOUR + 2);
}

/// Keys of groups, and how many scenarios they have.
async fn groups(api: &Api) -> Result<(Vec<String>, usize), String> {
    let alerts = api.get("/api/v1/alerts?limit=1000").await?;
    let alerts = alerts["alerts"].as_array().ok_or("no alerts")?;
    let count = alerts.iter().filter_map(|alert| alert["scenarios"].as_u64()).sum::<u64>();
    Ok((alerts.iter().map(|alert| alert["key"].as_str().unwrap_or_default().to_owned()).collect(), count as usize))
}

/// Each scenario stands on the page of its group, or in the search that this page leads to.
async fn reachable(api: &Api, all: usize) {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut searches = Vec::new();
    for key in groups(api).await.expect("groups").0 {
        let page = api.page(&format!("/a/{key}")).await.expect("the page of a group");
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for link in links {
            if let Some(id) = link.strip_prefix("/s/") {
                found.extend(id.split(['#', '?']).next().map(str::to_owned));
            } else if link.contains("outcome=failed") && link.contains("to=") {
                searches.push(link.replace("&#38;", "&").replace("&amp;", "&"));
            }
        }
    }
    let [search] = &searches[..] else { panic!("one group is larger than its page: {searches:?}") };
    assert!(api.page(search).await.expect("a search").contains("/s/"));
    let query = search.split_once('?').expect("a query").1;
    let rest = api.scenarios(&format!("&{query}")).await.expect("scenarios");
    found.extend(rest.iter().map(Api::id));
    let critical = 1;
    assert_eq!(found.len(), all + critical);
}
