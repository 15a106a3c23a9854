//! Teams: who is in them, and how mails come to them.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::{Mask, Team, Webhook};
use crate::document::{Quoted, Table};
use crate::fault::Wrong;
use crate::words::is_name;

const MASKS: [(&str, Mask); 3] = [("none", Mask::None), ("last3", Mask::Last3), ("all", Mask::All)];

pub(super) fn name_of_team<'d>(table: &Table<'d>) -> Option<Quoted<'d>> {
    table.needed("name", "\"oncall-voice\"");
    let name = table.text("name")?;
    if !is_name(name.text) {
        name.complain(format!("`{}` is no name: a lower-case word with dashes", name.text), []);
    }
    Some(name)
}

pub(super) fn team(table: &Table<'_>, name: &str) -> Team {
    table.only(&["name", "to", "tz", "mask", "webhook"]);
    let to = table.texts("to");
    for address in to.iter().filter(|address| !is_address(address.text)) {
        address.complain(format!("`{}` is no address of a mailbox", address.text), ["oncall@example.com"]);
    }
    let webhook = table.table("webhook").and_then(|table| webhook(&table));
    if table.needed("to", "[\"oncall@example.com\"]") && table.texts("to").is_empty() && webhook.is_none() {
        table.complain(Wrong::new(table.place("to"), "nobody is in this team").expecting(["[\"oncall@example.com\"]"]));
    }
    Team {
        name: name.to_owned(),
        to: to.iter().map(|address| address.text.to_owned()).collect(),
        tz: zone(table).unwrap_or(Tz::UTC),
        mask: table.word("mask", &MASKS).unwrap_or(Mask::Last3),
        webhook,
    }
}

fn webhook(table: &Table<'_>) -> Option<Webhook> {
    table.only(&["url", "secret_file"]);
    table.needed("url", "\"https://pager.example.com/in\"");
    table.needed("secret_file", "\"pager.key\"");
    let (url, secret_file) = (table.text("url")?, table.text("secret_file")?);
    let rest = url.text.strip_prefix("https://").or_else(|| url.text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || !rest.bytes().all(|b| b.is_ascii_graphic())) {
        url.complain(format!("`{}` is no web address", url.text), ["https://pager.example.com/in"]);
    }
    Some(Webhook { url: url.text.to_owned(), secret_file: secret_file.text.to_owned() })
}

pub(super) fn zone(table: &Table<'_>) -> Option<Tz> {
    let text = table.text("tz")?;
    let zone = text.text.parse().ok();
    if zone.is_none() {
        let wrong = Wrong::new(text.part(0..text.text.len()), format!("there is no time zone `{}`", text.text));
        text.complain_of(
            wrong.expecting(["Europe/Berlin", "UTC"]).meaning(text.text, TZ_VARIANTS.iter().map(|tz| tz.name())),
        );
    }
    zone
}

/// It looks like one; whether it is one only a mail can tell.
fn is_address(text: &str) -> bool {
    let local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inside && !label.is_empty() && label.len() < 64 && !label.starts_with('-') && !label.ends_with('-')
    };
    let dots = |name: &str| {
        !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && !name.ends_with('.') && !name.contains("..")
    };
    let good = |(name, domain): (&str, &str)| dots(name) && name.bytes().all(local) && domain.split('.').all(label);
    text.len() <= 254 && text.rsplit_once('@').is_some_and(good)
}
