//! From a notice to a mail: subject, both parts, and the headers by which programs sort and thread it. Pure.

use askama::Template;

use super::clean::{ascii, label};
use super::mime::Mail;
use super::notice::{About, Notice, Severity, State};
use super::text::text;
use super::view::{STORM, View, severity, view};

/// Gmail clips what is longer than about 102 KB, with what comes around it.
const MOST_HTML: usize = 60_000;

pub fn render(notice: &Notice) -> Mail {
    let mut most = match &notice.about {
        About::Group(group) => group.max_listed,
        About::Storm(_) => 50,
    };
    let (view, html) = loop {
        let view = view(notice, most);
        let html = html(&view);
        let listed = view.lists.iter().map(|list| list.rows.len()).sum::<usize>();
        if html.len() <= MOST_HTML || listed == 0 {
            break (view, html);
        }
        most = (listed * MOST_HTML / html.len()).min(listed - 1);
    };
    Mail { subject: subject(notice), text: text(&view), html, headers: headers(notice, &view) }
}

/// The same for all mails of a group, as Gmail threads by it: no count, no state.
fn subject(notice: &Notice) -> String {
    let env = ascii(&notice.env);
    let env = if env.is_empty() { String::new() } else { format!(" {env}") };
    match &notice.about {
        About::Group(group) => {
            let what = format!("{}: {}", ascii(&group.failure), ascii(&group.says));
            format!("[siptrail{env}] {} {what}", severity(group.severity))
        }
        About::Storm(_) => format!("[siptrail{env}] STORM: {STORM}"),
    }
}

fn headers(notice: &Notice, view: &View) -> Vec<(&'static str, String)> {
    // A Message-ID that was never sent: no order of mails and no lost first one breaks the thread.
    let day = notice.made.to_utc().with_timezone(&notice.reader.zone).format("%Y%m%d");
    let root = format!("<g.{}.{day}@{}>", view.key, notice.domain);
    let list = format!("<{}.{}>", label(&notice.reader.team), notice.domain);
    let mut headers = vec![
        ("In-Reply-To", root.clone()),
        ("References", root),
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("List-Id", list),
        ("X-Siptrail-Group", view.key.clone()),
        ("X-Siptrail-Status", view.status.to_owned()),
    ];
    let is_first_of_a_critical_group = matches!(
        &notice.about,
        About::Group(group) if group.severity == Severity::Critical && group.state == State::Firing
    );
    if is_first_of_a_critical_group {
        headers.push(("Importance", "high".to_owned()));
    }
    headers
}

#[derive(Template)]
#[template(path = "mail/notice.html")]
struct Page<'a> {
    view: &'a View,
}

fn html(view: &View) -> String {
    // Writing to a string fails only if a value cannot be written, and all are texts and numbers.
    Page { view }.render().unwrap_or_default()
}
