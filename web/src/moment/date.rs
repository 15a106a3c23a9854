//! Days as people write them: `28.11.`, `28 nov`, `monday`.

use chrono::{Datelike, Days, NaiveDate, TimeDelta, Weekday};

/// What looks like a date, though it may be none: `11/10`, `11/10/2026`, `31-2-2026`, `31.2.`, `31.2.2026`.
pub fn is_like_a_date(word: &str) -> bool {
    let two = |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    let year = |part: &str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(sign) = word.chars().find(|c| matches!(c, '/' | '-' | '.')) else { return false };
    match word.split(sign).collect::<Vec<_>>()[..] {
        [one, other] => sign == '/' && two(one) && two(other),
        [one, other, ""] => sign == '.' && two(one) && two(other),
        [first, one, other] if year(first) => two(one) && two(other),
        [one, other, last] => two(one) && two(other) && (year(last) || sign == '/' && two(last)),
        _ => false,
    }
}

/// `today`, `yesterday`, `mon`, `monday`: the last one that has been.
pub(super) fn day_of(word: &str, today: NaiveDate) -> Option<NaiveDate> {
    match word {
        "today" => return Some(today),
        "yesterday" => return today.pred_opt(),
        _ if word.len() < 3 => return None,
        _ => {}
    }
    let weekday: Weekday = word.parse().ok()?;
    let back = (7 + today.weekday().num_days_from_monday() - weekday.num_days_from_monday()) % 7;
    today.checked_sub_days(Days::new(back.into()))
}

/// `28.11.`, `28.11.2026`, `28 nov`, `nov 28 2026`, `28/11/2026`; without a year the last one that has been.
pub(super) fn date_of(words: &[&str], today: NaiveDate) -> Option<NaiveDate> {
    let number = |text: &str| text.trim_end_matches(['.', ',']).parse::<u32>().ok();
    let named = |text: &str| text.parse::<chrono::Month>().ok().map(|month| month.number_from_month());
    let parts: Vec<&str> = match words {
        [one] if one.contains('.') => one.split('.').filter(|part| !part.is_empty()).collect(),
        [one] => one.split(['/', '-']).collect(),
        some => some.to_vec(),
    };
    let dotted = matches!(words, [one] if one.contains('.'));
    let (day, month, year) = match parts.as_slice() {
        [year, month, day] if dotted && year.len() == 4 => (number(day)?, number(month)?, &parts[..1]),
        [day, month, year @ ..] if dotted => (number(day)?, number(month)?, year),
        _ if words.len() == 1 && !is_like_a_date(words[0]) => return None,
        [year, month, day] if words.len() == 1 && year.len() == 4 => (number(day)?, number(month)?, &parts[..1]),
        [_, _, ..] if words.len() == 1 && is_ambiguous(words[0]) => return None,
        // What cannot be a month is the day.
        [one, other, year @ ..] if words.len() == 1 => match (number(one)?, number(other)?) {
            (day @ 13.., month) | (month, day) => (day, month, year),
        },
        [day, month, year @ ..] if named(month).is_some() => (number(day)?, named(month)?, year),
        [month, day, year @ ..] => (number(day)?, named(month)?, year),
        _ => return None,
    };
    match year {
        [] => {
            let latest = today.checked_add_signed(TimeDelta::days(1))?;
            let years = (0..8).map(|back| today.year() - back);
            years.filter_map(|year| NaiveDate::from_ymd_opt(year, month, day)).find(|date| *date <= latest)
        }
        [year] => {
            let year = number(year).filter(|year| *year < 10_000)? as i32;
            NaiveDate::from_ymd_opt(if year < 100 { 2_000 + year } else { year }, month, day)
        }
        _ => None,
    }
}

/// `11/10`, `11/10/2026`: its day or its month may come first.
pub(super) fn is_ambiguous(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['/', '-']).collect();
    let may_be_month = |part: &str| part.parse::<u32>().is_ok_and(|number| (1..=12).contains(&number));
    let both = may_be_month(parts[0]) && parts.get(1).is_some_and(|other| may_be_month(other) && *other != parts[0]);
    both && parts[0].len() < 3 && is_like_a_date(word)
}
