//! Log names: which files are rotations of one log, and which of two is older.

use std::cmp::Ordering;
use std::collections::HashSet;

/// What a file's name says of its place in a rotation chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogName {
    /// The name less `.gz`, date and number: the same for all files of a chain.
    pub log: Vec<u8>,
    pub date: Option<Vec<u8>>,
    pub number: Option<u64>,
}

/// Orders names by age, oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Age(pub LogName);

impl Ord for Age {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.age(&other.0)
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl LogName {
    /// As far as names can say, this is the name that is written to.
    pub fn is_plain(&self) -> bool {
        self.date.is_none() && self.number.is_none()
    }

    /// Older first. Without dates a higher number is older (`.2` was `.1`); within a date it is newer (`app.DATE.1` follows `.0`).
    pub fn age(&self, other: &Self) -> Ordering {
        self.is_plain().cmp(&other.is_plain()).then_with(|| self.date.cmp(&other.date)).then_with(|| {
            if self.date.is_some() { self.number.cmp(&other.number) } else { other.number.cmp(&self.number) }
        })
    }
}

/// The log names of all names of one directory. `logs` are log names that are known though their file may be away:
/// between a rotation and the next line many loggers have none.
pub fn log_names(names: &[Vec<u8>], logs: &[Vec<u8>]) -> Vec<LogName> {
    let dated: Vec<(Vec<u8>, Option<Vec<u8>>)> = names.iter().map(|name| without_date(without_gz(name))).collect();
    let known: HashSet<&[u8]> = dated.iter().map(|(rest, _)| rest).chain(logs).map(Vec::as_slice).collect();
    dated
        .iter()
        .map(|(rest, date)| match without_number(rest, &known) {
            Some((log, number)) => LogName { log, date: date.clone(), number: Some(number) },
            None => LogName { log: rest.clone(), date: date.clone(), number: None },
        })
        .collect()
}

/// The names of logs of which a file of this name may be a rotation, itself first.
pub fn possible_logs(name: &[u8]) -> Vec<Vec<u8>> {
    let (undated, _) = without_date(without_gz(name));
    let mut logs = vec![name.to_vec(), without_gz(name).to_vec(), undated.clone()];
    logs.extend(without_numbers(&undated).map(|(rest, _)| rest));
    logs.dedup();
    logs
}

fn without_gz(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".gz").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

/// Takes away a date with the separator before it: 6 to 14 digits (`20261123`), or four, two and two with separators and
/// perhaps a time of day (`2026-11-23`, `2026-11-23-19`, `2026-11-23_19-53`).
fn without_date(name: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut at = 0;
    while at < name.len() {
        let fresh = at == 0 || !name[at - 1].is_ascii_digit();
        let len = if fresh && name[at].is_ascii_digit() { date_len(&name[at..]) } else { 0 };
        if len > 0 {
            let from = if at > 0 && is_separator(name[at - 1]) { at - 1 } else { at };
            let rest = [&name[..from], &name[at + len..]].concat();
            let rest =
                if from == 0 && rest.first().copied().is_some_and(is_separator) { rest[1..].to_vec() } else { rest };
            if rest.is_empty() {
                return (name.to_vec(), None);
            }
            return (rest, Some(name[at..at + len].to_vec()));
        }
        at += 1;
    }
    (name.to_vec(), None)
}

fn date_len(text: &[u8]) -> usize {
    let digits = |from: usize| text[from.min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(0);
    if (6..=14).contains(&first) {
        return first + [2, 2, 2].iter().fold(0, |len, want| len + part(text, first + len, *want));
    }
    if first != 4 {
        return 0;
    }
    let month = part(text, first, 2);
    let day = if month > 0 { part(text, first + month, 2) } else { 0 };
    if day == 0 {
        return 0;
    }
    let mut len = first + month + day;
    for _ in 0..3 {
        match part(text, len, 2) {
            0 => break,
            more => len += more,
        }
    }
    len
}

/// The length of a separator and exactly `want` digits at `from`, or 0. A `.` starts no time of day: `.10` is a number.
fn part(text: &[u8], from: usize, want: usize) -> usize {
    let Some(&separator) = text.get(from) else { return 0 };
    let digits = text[from + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let dash = matches!(separator, b'-' | b'_' | b'T') || (separator == b'.' && (from == 4 || from == 7));
    if dash && digits == want { want + 1 } else { 0 }
}

/// Takes away a number with the separator before it if the rest is the name of a file here.
fn without_number(name: &[u8], known: &HashSet<&[u8]>) -> Option<(Vec<u8>, u64)> {
    without_numbers(name).find(|(rest, _)| known.contains(rest.as_slice()))
}

/// The name less each number in it, with the separator before it; the last number first.
fn without_numbers(name: &[u8]) -> impl Iterator<Item = (Vec<u8>, u64)> {
    let mut end = name.len();
    std::iter::from_fn(move || {
        while let Some(last) = name[..end].iter().rposition(u8::is_ascii_digit) {
            let first = name[..last].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
            end = first;
            if first > 0 && is_separator(name[first - 1]) {
                let rest = [&name[..first - 1], &name[last + 1..]].concat();
                let number = std::str::from_utf8(&name[first..=last]).ok().and_then(|digits| digits.parse().ok());
                if let Some(number) = number {
                    return Some((rest, number));
                }
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(names: &[&str]) -> Vec<String> {
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        log_names(&names, &[]).into_iter().map(|name| String::from_utf8(name.log).unwrap()).collect()
    }

    fn oldest_first(names: &[&str]) -> Vec<String> {
        let bytes: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut both: Vec<_> = log_names(&bytes, &[]).into_iter().zip(names).collect();
        both.sort_by(|a, b| a.0.age(&b.0));
        both.into_iter().map(|(_, name)| (*name).to_owned()).collect()
    }

    #[test]
    fn rotations_of_one_log_have_its_name() {
        assert_eq!(logs(&["app.log", "app.log.1", "app.log.2.gz"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.log", "app.2026-11-23.0.log", "app.2026-11-23.1.log"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.log", "app.log-20261123", "app.log-20261123.gz", "app-20261122.log"]), ["app.log"; 4]);
        assert_eq!(logs(&["app.log", "app.log.2026-11-23-19", "app.log.2026-11-23_19-53"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.2026-11-23.log", "app.2026-11-24.log", "app.2026-11-24.1.log"]), ["app.log"; 3]);
    }

    #[test]
    fn a_log_whose_file_is_away_still_has_its_rotations() {
        let names = [b"app.log.1".to_vec()];
        assert_eq!(log_names(&names, &[b"app.log".to_vec()])[0].log, b"app.log");
        assert_eq!(log_names(&names, &[])[0].log, b"app.log.1");
    }

    #[test]
    fn two_logs_with_numbers_are_two_logs() {
        assert_eq!(logs(&["sbc-1.log", "sbc-2.log"]), ["sbc-1.log", "sbc-2.log"]);
        assert_eq!(logs(&["sbc-1.log", "sbc-1.log.1", "sbc-2.log"]), ["sbc-1.log", "sbc-1.log", "sbc-2.log"]);
    }

    #[test]
    fn names_that_are_all_date_or_odd_stay_as_they_are() {
        for name in ["20261123", "1", ".gz", "-", "2026-11-23", "\u{fffd}.log", "app.99999999999999999999.log"] {
            assert_eq!(logs(&[name]), [name]);
        }
    }

    #[test]
    fn the_oldest_comes_first() {
        assert_eq!(
            oldest_first(&["app.log", "app.log.1", "app.log.10", "app.log.2"]),
            ["app.log.10", "app.log.2", "app.log.1", "app.log"]
        );
        assert_eq!(
            oldest_first(&["app.log", "app.2026-11-24.0.log", "app.2026-11-23.1.log", "app.2026-11-23.0.log"]),
            ["app.2026-11-23.0.log", "app.2026-11-23.1.log", "app.2026-11-24.0.log", "app.log"]
        );
    }
}
