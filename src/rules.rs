//! `siptrail rules`: what is wrong in files of rules and routes, what rules say in plain English, and what they would have
//! said of stored calls.

mod files;
mod shown;
mod tried;

use rule::near::nearest;
use rule::prose::{explain, explain_watch};

use self::files::count;
use crate::cli::{Check, Explain, Rules};
use crate::outcome::WrongConfig;
use crate::screen;

pub async fn run(asked: Rules) -> anyhow::Result<()> {
    match asked {
        Rules::Check(asked) => check(&asked),
        Rules::Explain(asked) => explained(&asked),
        Rules::Test(asked) => tried::run(asked).await,
    }
}

fn check(asked: &Check) -> anyhow::Result<()> {
    let set = files::rules(asked.rules.as_deref().or_else(files::usual), &[])?;
    let (set, routes) = files::both(set, asked.routes.as_deref())?;
    screen::say(&format!("{} and {} are right", count(set.rules.len(), "rule"), count(set.watches.len(), "watch")));
    if let Some(routes) = routes {
        let (teams, routes) = (count(routes.teams.len(), "team"), count(routes.routes.len(), "route"));
        screen::say(&format!("{teams} and {routes} are right"));
    }
    Ok(())
}

fn explained(asked: &Explain) -> anyhow::Result<()> {
    let set = files::rules(asked.rules.as_deref().or_else(files::usual), &[])?;
    let set = set.map_err(|faults| files::told(&faults))?;
    let rules = set.rules.iter().map(|rule| (&rule.id, &rule.title, explain(rule)));
    let watches = set.watches.iter().map(|watch| (&watch.id, &watch.title, explain_watch(watch)));
    let all: Vec<_> = rules.chain(watches).collect();
    let Some(id) = &asked.id else {
        let all: Vec<String> = all.iter().map(|(id, title, prose)| format!("{id}: {title}\n{prose}")).collect();
        screen::say(&all.join("\n\n"));
        return Ok(());
    };
    match all.iter().find(|(known, ..)| *known == id) {
        Some((_, _, prose)) => screen::say(prose),
        None => {
            let meant = nearest(id, all.iter().map(|(known, ..)| known.as_str()));
            let hint = meant.map_or_else(
                || "`siptrail rules explain` lists all".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            return Err(WrongConfig(format!("there is no rule `{id}`; {hint}")).into());
        }
    }
    Ok(())
}
