//! Collectors that are killed while they judge, report and send: each failure is reported once, by one mail that arrives.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, PgConnection, Row};

use crate::support::made::{self, End};
use crate::support::{Api, Database, Exim, Faulty, Oncall, Siptrail, eventually, readable, said, with_least};

/// A burst is a log of its own, of an environment of its own, whose failures are one group.
const BURSTS: usize = 6;
/// By which it is learned that acknowledgements are logged.
const WELL: usize = 20;
const BROKEN: usize = 15;
const SECOND: i64 = 1_000_000;

/// The log of a burst that ended two minutes ago.
fn burst(name: &str, well: usize, broken: usize) -> String {
    let begins = collector::ingest::now().0 - 180 * SECOND;
    let mut records = Vec::new();
    for nth in 0..well + broken {
        let (kind, end) = if nth < well { ("well", End::Well) } else { ("broken", End::NoAck) };
        made::call(&mut records, begins + nth as i64 * SECOND, &format!("{name}-{kind}-{nth}"), end);
    }
    made::log(records)
}

fn one_database(dir: &std::path::Path, database: &Database) -> String {
    let url = dir.join("url");
    std::fs::write(&url, database.url()).expect("written");
    format!("postgres_url_file = \"{}\"", url.display())
}

#[tokio::test]
async fn two_collectors_that_are_killed_in_turn_report_each_failure_once() {
    let (exim, database) = (Exim::start().await, Database::make("senders").await);
    let dir = tempfile::tempdir().expect("a directory");
    let env = |nth| format!("[[env]]\nname = \"site-{nth}\"\nsource = \"*burst-{nth}*\"\n");
    let envs = (0..BURSTS).map(env).collect::<Vec<_>>().concat();
    let mail = with_least(&exim.toml(&format!("{}{envs}", exim.trusted())));
    let routes =
        "[defaults]\ngroup_wait = \"2s\"\ngroup_interval = \"2s\"\n[budget]\nper_hour = 1000\nper_day = 1000\n";
    let sites = [0, 1].map(|_| Oncall::make(&mail, &one_database(dir.path(), &database), routes));
    let mut running: Vec<Siptrail> = sites.iter().map(|site| site.start("collector")).collect();
    let agents = sites.each_ref().map(|site| site.start("agent"));
    for collector in &running {
        collector.api().await;
    }
    for nth in 0..BURSTS {
        let name = format!("burst-{nth}");
        // The other one answers meanwhile, and takes over what this one had leased.
        let (killed, answers) = (nth % 2, (nth + 1) % 2);
        let api = running[answers].api().await;
        let before = far(&api, &exim, nth).await.expect("how far it is");
        std::fs::write(sites[nth % 2].logs().join(format!("{name}.log")), burst(&name, WELL, BROKEN)).expect("written");
        eventually("it is under way", || async {
            let now = far(&api, &exim, nth).await?;
            if now > before { Ok(()) } else { Err(format!("{before} before, {now} now")) }
        })
        .await;
        running.remove(killed).kill_9();
        running.insert(killed, sites[killed].start("collector"));
    }
    let mut connection = PgConnection::connect(&database.url()).await.expect("connected");
    let connection = tokio::sync::Mutex::new(&mut connection);
    let made: Vec<String> = eventually("each failure is in one group, and in one mail that is sent", || async {
        let mut connection = connection.lock().await;
        let count =
            "select (select count(*) from alert_group), (select count(*) from alert_item where reported is not null),
            (select count(distinct scenario_id) from alert_item), (select count(*) from mail_outbox where state <> 1)";
        let row = sqlx::query(count).fetch_one(&mut **connection).await.map_err(|error| error.to_string())?;
        let counts: [i64; 4] = [0, 1, 2, 3].map(|at| row.get(at));
        let all = (BURSTS * BROKEN) as i64;
        if counts != [BURSTS as i64, all, all, 0] {
            return Err(format!("{counts:?}, and in no group: {:?}", in_no_group(&mut connection).await?));
        }
        let ids = sqlx::query("select message_id from mail_outbox").fetch_all(&mut **connection).await;
        Ok(ids.map_err(|error| error.to_string())?.iter().map(|row| row.get(0)).collect())
    })
    .await;
    let mails = exim.delivered("oncall", made.len()).await;
    let mut listed: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_id: BTreeMap<String, &String> = BTreeMap::new();
    for mail in &mails {
        let id = said(mail, "Message-ID:").concat();
        // What was on its way to the server when its sender was killed comes once more, and is the same.
        if let Some(before) = by_id.insert(id, mail) {
            assert_eq!(content(before), content(mail));
            continue;
        }
        for id in new(mail) {
            *listed.entry(id).or_default() += 1;
        }
    }
    assert_eq!(by_id.keys().cloned().collect::<BTreeSet<_>>(), made.into_iter().collect());
    assert_eq!(listed.len(), BURSTS * BROKEN);
    assert!(listed.values().all(|times| *times == 1), "{listed:?}");
    let calls = Api::at(&sites[0].url).scenarios("&class=call").await.expect("calls");
    assert_eq!(calls.len(), BURSTS * (WELL + BROKEN));
    for (collector, agent) in running.into_iter().zip(agents) {
        let said = collector.said();
        assert!(!said.iter().any(|line| line.contains("deadlock") || line.contains("database")), "{said:#?}");
        assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));
    }
    database.drop().await;
}

/// Broken calls that are not reported, with what rules say of them.
async fn in_no_group(connection: &mut PgConnection) -> Result<Vec<(String, Option<i16>, Option<String>)>, String> {
    let query = "select c.call_id, s.outcome, s.rule from scenario s join scenario_call c on c.scenario_id = s.id
        where c.call_id like '%broken%' and s.id not in (select scenario_id from alert_item) limit 10";
    sqlx::query_as(query).fetch_all(connection).await.map_err(|error| error.to_string())
}

/// Calls that are stored, groups of failures, or mails that have arrived, by turns.
async fn far(api: &Api, exim: &Exim, turn: usize) -> Result<usize, String> {
    match turn % 3 {
        0 => Ok(api.scenarios("&class=call").await?.len()),
        1 => Ok(api.get("/api/v1/alerts").await?["alerts"].as_array().map_or(0, Vec::len)),
        _ => Ok(exim.delivered("oncall", 0).await.len()),
    }
}

/// Without what servers write above it.
fn content(mail: &str) -> &str {
    mail.find("From: ").map_or(mail, |at| &mail[at..])
}

/// Scenarios that a mail lists as new.
fn new(mail: &str) -> Vec<String> {
    let mail = readable(mail);
    let plain = mail.split("Content-Type: text/html").next().unwrap_or_default();
    let lines =
        plain.lines().skip_while(|line| line.trim() != "NEW").skip(1).take_while(|line| !line.trim().is_empty());
    let head = |line: &str| {
        let mut words = line.split_whitespace();
        let number = words.next()?.parse::<usize>().ok();
        number.and(words.next()).filter(|id| id.len() >= 8).map(str::to_owned)
    };
    lines.filter_map(head).collect()
}

/// Kills who waits for the answer to DATA, then `goes_on`, and sees the same mail come again.
async fn killed_after_data(server: &Faulty, sites: &[Oncall], mut running: Vec<Siptrail>, restarts: bool) {
    let agent = sites[0].start("agent");
    std::fs::write(sites[0].logs().join("burst.log"), burst("held", WELL, 1)).expect("written");
    let holder = eventually("a mail is on its way", || async {
        let from = server.asked("FROM").into_iter().next().ok_or("nobody has sent one")?;
        from.strip_prefix("site-").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok()).ok_or(from)
    })
    .await;
    running.remove(holder).kill_9();
    if restarts {
        running.push(sites[holder].start("collector"));
    }
    // It is another's after the lease of the one who had it.
    let mails = eventually("it comes again", || async {
        let mails = of_calls(server);
        if mails.len() > 1 && server.asked("CONTENT").len() > 1 { Ok(mails) } else { Err(format!("{}", mails.len())) }
    })
    .await;
    assert_eq!((mails.len(), mails[0] == mails[1]), (2, true), "{mails:#?}");
    assert_eq!(new(&mails[0]).len(), 1);
    let api: Api = running[0].api().await;
    eventually("it is known that it was sent", || async {
        let page = api.page("/outbox").await?;
        if page.contains(">sent<") || page.contains("sent ") { Ok(()) } else { Err(page) }
    })
    .await;
    assert_eq!(agent.stop().await, Some(0));
    for collector in running {
        assert_eq!(collector.stop().await, Some(0));
    }
    assert_eq!(of_calls(server).len(), 2);
}

/// Mails about calls: an agent whose collector was killed is soon reported as silent by the other one.
fn of_calls(server: &Faulty) -> Vec<String> {
    server.mails().into_iter().filter(|mail| !mail.contains("CRITICAL silent")).collect()
}

fn site(server: &Faulty, database: &str, nth: usize) -> Oncall {
    let mail = with_least(&server.toml(&format!("hostname = \"site-{nth}.example.com\"\n")));
    Oncall::make(&mail, database, "[defaults]\ngroup_wait = \"1s\"\n")
}

#[tokio::test]
async fn killed_before_the_server_has_said_that_it_took_a_mail_it_sends_it_again_on_sqlite() {
    let server = Faulty::start("silent-after-first");
    let data = tempfile::tempdir().expect("a directory");
    let sites = [site(&server, &format!("data = \"{}\"", data.path().display()), 0)];
    let running = vec![sites[0].start("collector")];
    killed_after_data(&server, &sites, running, true).await;
}

#[tokio::test]
async fn killed_before_the_server_has_said_that_it_took_a_mail_another_sends_it_again_on_postgresql() {
    let (server, database) = (Faulty::start("silent-after-first"), Database::make("held").await);
    let dir = tempfile::tempdir().expect("a directory");
    let sites = [0, 1].map(|nth| site(&server, &one_database(dir.path(), &database), nth));
    let running = sites.iter().map(|site| site.start("collector")).collect();
    killed_after_data(&server, &sites, running, false).await;
    database.drop().await;
}

/// Kills the collector once a failure is judged and stands in its group, and before any mail is made of it; then once the mail
/// is made, and before it is sent.
async fn killed_between_verdict_and_mail(database: &str) {
    let exim = Exim::start().await;
    let mail = with_least(&exim.toml(&exim.trusted()));
    let site = Oncall::make(&mail, database, "[defaults]\ngroup_wait = \"10s\"\ngroup_interval = \"10s\"\n");
    let (mut collector, agent) = (site.start("collector"), site.start("agent"));
    let mut api = collector.api().await;
    std::fs::write(site.logs().join("burst.log"), burst("between", WELL, BROKEN)).expect("written");
    let mails = async |api: &Api| -> Result<(usize, u64), String> {
        let alerts = api.get("/api/v1/alerts").await?;
        let groups = alerts["alerts"].as_array().cloned().unwrap_or_default();
        Ok((groups.len(), groups.iter().filter_map(|group| group["mails"].as_u64()).sum()))
    };
    let (groups, made) = eventually("a failure stands in its group", || async {
        let far = mails(&api).await?;
        if far.0 > 0 { Ok(far) } else { Err("none yet".to_owned()) }
    })
    .await;
    assert_eq!((groups, made), (1, 0), "it is killed before a mail is made");
    collector.kill_9();
    assert_eq!(exim.delivered("oncall", 0).await.len(), 0);
    collector = site.start("collector");
    api = collector.api().await;
    eventually("the mail is made", || async {
        match mails(&api).await? {
            (1, 1..) => Ok(()),
            far => Err(format!("{far:?}")),
        }
    })
    .await;
    collector.kill_9();
    collector = site.start("collector");
    let delivered = exim.delivered("oncall", 1).await;
    let id = |mail: &String| said(mail, "Message-ID:").concat();
    // What was on its way is sent once more after its lease; more would be seen as other mails of the group.
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    eventually("each failure is in a mail", || async {
        let mails = exim.delivered("oncall", delivered.len()).await;
        let listed: BTreeSet<String> = mails.iter().flat_map(|mail| new(mail)).collect();
        if listed.len() == BROKEN { Ok(()) } else { Err(format!("{} of {BROKEN}", listed.len())) }
    })
    .await;
    for mail in exim.delivered("oncall", 1).await {
        for scenario in new(&mail) {
            listed.entry(scenario).or_default().insert(id(&mail));
        }
    }
    assert!(listed.values().all(|ids| ids.len() == 1), "one Message-ID: {listed:?}");
    assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));
}

#[tokio::test]
async fn killed_between_verdict_and_mail_no_failure_is_without_its_mail_on_sqlite() {
    let data = tempfile::tempdir().expect("a directory");
    killed_between_verdict_and_mail(&format!("data = \"{}\"", data.path().display())).await;
}

#[tokio::test]
async fn killed_between_verdict_and_mail_no_failure_is_without_its_mail_on_postgresql() {
    let (database, dir) = (Database::make("between").await, tempfile::tempdir().expect("a directory"));
    killed_between_verdict_and_mail(&one_database(dir.path(), &database)).await;
    database.drop().await;
}
