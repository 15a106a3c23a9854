//! The part of a mail that every program shows: plain text that reads on 80 columns. Pure.

use super::view::View;

const WIDTH: usize = 80;

pub(super) fn text(view: &View) -> String {
    let mut out = String::new();
    wrapped(&mut out, "", "", &view.first);
    out.push('\n');
    for (name, value) in &view.facts {
        wrapped(&mut out, &format!("{name:8}"), "        ", value);
    }
    for list in &view.lists {
        out.push_str(&format!("\n{}\n", list.title));
        for row in &list.rows {
            let party = if row.to.is_empty() { row.from.clone() } else { format!("{} -> {}", row.from, row.to) };
            let head = [&row.id, &row.at, &party].into_iter().filter(|part| !part.is_empty());
            let head = head.map(String::as_str).collect::<Vec<_>>().join("  ");
            // Two blanks stand between columns, so this line is wrapped by nothing.
            out.push_str(&format!("{:>3}  {head}\n", row.number));
            let what = if row.leg.is_empty() { row.what.clone() } else { format!("{}: {}", row.leg, row.what) };
            wrapped(&mut out, "     ", "     ", &what);
            out.push_str(&format!("     {}\n", row.link));
        }
    }
    if let Some((more, link)) = &view.more {
        out.push_str(&format!("\nand {more} more: {link}\n"));
    }
    out.push('\n');
    for (name, link) in &view.links {
        out.push_str(&format!("{name:12} {link}\n"));
    }
    wrapped(&mut out, "", "", &view.foot);
    out.push('\n');
    if !view.ids.is_empty() {
        out.push_str(&format!("scenarios: {}\n", view.ids));
    }
    out.push_str(&format!("dedup_key: siptrail-{}  status: {}\n", view.key, view.status));
    out
}

/// Breaks between words only; a word that is longer than a line stands alone on one.
fn wrapped(out: &mut String, first: &str, rest: &str, text: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            rest.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
