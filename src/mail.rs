//! `siptrail mail test`: does the mail server of the config take mails, and if not, why.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use collector::mail::{Account, Mailbox, Next, Settings, explain, hints, message_id, mime, recipient, trial};

use crate::cli::MailTest;
use crate::outcome::WrongConfig;
use crate::{screen, settings};

pub async fn test(asked: MailTest) -> anyhow::Result<()> {
    let config: collector::Config = settings::read(&asked.config)?;
    let place = asked.config.display();
    let Some(settings) = config.mail else {
        bail!(WrongConfig(format!(
            "{place}: there is no [mail], so nothing is mailed; docs/mail.md says how to set it up"
        )));
    };
    let mut account = Account::open(&settings).map_err(|fault| WrongConfig(format!("{place}: {fault}")))?;
    let outcome = send(&mut account, &settings, asked).await;
    account.close().await;
    outcome
}

async fn send(account: &mut Account, settings: &Settings, asked: MailTest) -> anyhow::Result<()> {
    let server = format!("{}:{} ({})", settings.server, settings.port(), settings.security);
    if let Err(sent) = account.reach().await {
        bail!(
            "the mail server cannot be used: {}",
            sent.said.err().map_or_else(String::new, |why| explain(&why, settings))
        );
    }
    screen::say(&match &settings.user {
        Some(user) => format!("{server} is reached, and {user} is logged in"),
        None => format!("{server} is reached; no login is set"),
    });
    let made = SystemTime::now();
    let micros = made.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let id = message_id(micros, settings.domain());
    let bytes = mime(&trial(settings), settings, &[Mailbox::new(None, asked.to.clone())], &id, made)?;
    let to = &asked.to;
    let sent = account.send(&settings.from.0.email, std::slice::from_ref(to), &bytes).await;
    if let Some((to, answer)) = sent.refused.first().or(sent.later.first()) {
        return Err(anyhow!("{to} gets no mail: {}", recipient(answer, settings)));
    }
    match (sent.next, sent.said) {
        (Next::Done, Ok(answer)) => {
            screen::say(&format!("{to} is sent a mail by {}: {answer}", settings.from.0.email));
            screen::say(&format!("Look for {id}, in the spam folder, too."));
            for hint in hints(settings, to) {
                screen::say(&hint);
            }
            Ok(())
        }
        (_, Err(why)) => Err(anyhow!("the mail is not sent: {}", explain(&why, settings))),
        (_, Ok(answer)) => Err(anyhow!("the mail is not sent: {answer}")),
    }
}
