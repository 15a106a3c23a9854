//! A ladder drawn with letters, so that a snapshot shows what a reader sees.

use message::kind::Kind;

use super::columns::MOST;
use super::note::Says;
use super::row::{Mark, Row, Sign};
use super::{Ladder, Line};

const TIMES: usize = 22;

pub fn draw(ladder: &Ladder) -> String {
    let lanes = ladder.columns.columns.len();
    assert!(lanes <= MOST, "{lanes} columns");
    let lane_width = (130 / lanes.max(1)).clamp(19, 44);
    let middle = |lane: usize| lane * lane_width + lane_width / 2;
    let mut out = String::new();
    let mut heads = vec![' '; lanes * lane_width];
    let mut groups = heads.clone();
    for (lane, column) in ladder.columns.columns.iter().enumerate() {
        let clock = column.clock.iter().map(|clock| format!(" {clock}"));
        center(&mut heads, middle(lane), &format!("{}{}", column.name, clock.collect::<String>()));
    }
    for group in &ladder.columns.groups {
        center(&mut groups, middle(group.from).midpoint(middle(group.to)), &format!("‹{}›", group.title));
    }
    push(&mut out, "", &groups);
    push(&mut out, "", &heads);
    for line in &ladder.lines {
        let mut canvas = vec![' '; lanes * lane_width];
        for (lane, column) in ladder.columns.columns.iter().enumerate() {
            canvas[middle(lane)] = if column.never { '┊' } else { '│' };
        }
        match line {
            Line::Row(row) => {
                let behind = arrow(&mut canvas, row, middle);
                let wrong = if row.delta.repaired { "⌚" } else { "" };
                let slow = "!".repeat(row.delta.slow as usize);
                push(&mut out, &format!("{} {wrong}{}{slow}", row.clock.seconds, row.delta.text), &canvas);
                if !behind.is_empty() {
                    out.truncate(out.trim_end().len());
                    out.push_str(&format!("   {behind}\n"));
                }
            }
            Line::Unmet(unmet) => {
                if let Some((from, to)) = unmet.lanes {
                    let (low, high) = (middle(from.min(to)), middle(from.max(to)));
                    canvas[low + 1..high].fill('·');
                    center(&mut canvas, low.midpoint(high), &format!("✗ {}", unmet.what));
                    let (head, at) = if to < from { ('◀', low + 1) } else { ('▶', high - 1) };
                    canvas[at] = head;
                }
                push(&mut out, &format!("{} {}", unmet.clock.seconds, unmet.state()), &canvas);
                out.truncate(out.trim_end().len());
                out.push_str(&format!("   {} [{}]\n", unmet.says, unmet.id));
            }
            Line::Note(note) => {
                if let Says::Fork { from, to, .. } = &note.says {
                    canvas[middle(*from)..=middle(*to)].fill('─');
                }
                let text = match &note.says {
                    Says::Fork { .. } => format!(" {} ", note.says.text()),
                    Says::Silence(text) => format!(" ~ {text} ~ "),
                    Says::Day(text) | Says::Reinvite(text) => format!(" = {text} = "),
                };
                let at = match &note.says {
                    Says::Fork { from, to, .. } => middle(*from).midpoint(middle(*to)),
                    _ => lanes * lane_width / 2,
                };
                center(&mut canvas, at, &text);
                push(&mut out, "", &canvas);
            }
        }
    }
    out
}

/// Draws the arrow; gives the remark where it does not fit beside it.
fn arrow(canvas: &mut [char], row: &Row, middle: impl Fn(usize) -> usize) -> String {
    let kind = match row.kind {
        Kind::Sip => '●',
        Kind::Rest => '◆',
        Kind::Push => '▲',
        Kind::Media => '≡',
    };
    let (low, high) = (middle(row.from.min(row.to)), middle(row.from.max(row.to)));
    let mark = match row.mark {
        Mark::None => "",
        Mark::Open => "»",
        Mark::Transaction => "›",
    };
    let small = if row.label.small.is_empty() { String::new() } else { format!(" ({})", row.label.small) };
    let sdp = if row.label.sdp { " sdp" } else { "" };
    let space = if row.label.text.is_empty() { "" } else { " " };
    let label = format!("{mark}{}{space}{}{sdp}{small}", row.label.strong, row.label.text);
    if row.is_hook() {
        canvas[low] = kind;
        return format!("{} ↩ {label}", row.tag);
    }
    let line = match (row.provisional, row.answer, row.status) {
        (true, ..) => '·',
        (_, false, _) => '─',
        (_, true, Some(300..)) => '═',
        (_, true, _) => '╌',
    };
    canvas[low + 1..high].fill(line);
    center(canvas, low.midpoint(high), &label);
    let reversed = row.to < row.from;
    let (head, at) = if reversed { ('◀', low + 1) } else { ('▶', high - 1) };
    canvas[at] = head;
    let tag = format!("{kind}{}", row.tag);
    center(canvas, if reversed { high } else { low }, &tag);
    let Some(remark) = &row.remark else { return String::new() };
    let sign = match remark.sign {
        Sign::None => "",
        Sign::Clock => "⌚ ",
        Sign::Twice => "⚭ ",
        Sign::Again => "↻ ",
    };
    format!("{}{sign}{}", if remark.right { "→ " } else { "← " }, remark.text)
}

fn center(canvas: &mut [char], at: usize, text: &str) {
    let letters: Vec<char> = text.chars().collect();
    let from = (at + 1).saturating_sub(letters.len().div_ceil(2)).min(canvas.len().saturating_sub(letters.len()));
    for (cell, letter) in canvas[from..].iter_mut().zip(letters) {
        *cell = letter;
    }
}

fn push(out: &mut String, times: &str, canvas: &[char]) {
    let line: String = format!("{times:<TIMES$}{}", canvas.iter().collect::<String>());
    out.push_str(line.trim_end());
    out.push('\n');
}
