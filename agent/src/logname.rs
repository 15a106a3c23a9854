//! Log names: which files are rotations of one log, and which of two is older.

use std::cmp::Ordering;
use std::collections::HashSet;

/// Endings of compressed files, in any case; `.Z` only so.
const COMPRESSED: [&[u8]; 10] = [b"gz", b"bz2", b"xz", b"zst", b"zstd", b"lz4", b"zip", b"7z", b"lzma", b"tgz"];

/// What a file's name says of its place in a rotation chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogName {
    /// The name less `.gz` and the like, date and number: the same for all files of a chain.
    pub log: Vec<u8>,
    pub date: Option<Vec<u8>>,
    pub number: Option<u64>,
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

/// What a file's name says, among the names beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    pub name: LogName,
    /// It may be an instance of its own (`sbc-1.log`) or a rotation of a log beside it (`app.1.log`): no name can tell.
    pub numbered: Option<Numbered>,
}

/// A number amid a name, the rest of which is the name of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// What the file is if it is a rotation.
    pub name: LogName,
    /// The name with a NUL for its number: files that are numbered alike.
    pub family: Vec<u8>,
}

/// Reads all names of one directory. `logs` are log names that are known though their file may be away: between a rotation
/// and the next line many loggers have none.
pub fn log_names<T: AsRef<[u8]>, L: AsRef<[u8]>>(names: &[T], logs: &[L]) -> Vec<Reading> {
    let dated: Vec<Dated> = names.iter().map(|name| Dated::of(without_compression(name.as_ref()))).collect();
    let rests = dated.iter().map(|dated| dated.rest.as_slice());
    let known: HashSet<&[u8]> = rests.chain(logs.iter().map(AsRef::as_ref)).collect();
    dated.iter().map(|dated| dated.read(&known)).collect()
}

/// The names of logs of which a file of this name may be a rotation, itself first. A number amid a name says nothing.
pub fn possible_logs(name: &[u8]) -> Vec<Vec<u8>> {
    let plain = without_compression(name);
    let dated = Dated::of(plain);
    let mut logs = vec![name.to_vec(), plain.to_vec(), dated.rest.clone()];
    logs.extend(last_number(&dated.rest).map(|(rest, _)| rest));
    logs.dedup();
    logs
}

/// The name ends as those of compressed files do.
pub fn is_compressed(name: &[u8]) -> bool {
    without_compression(name).len() < name.len()
}

fn without_compression(name: &[u8]) -> &[u8] {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else { return name };
    let is_known =
        COMPRESSED.iter().any(|ending| name[dot + 1..].eq_ignore_ascii_case(ending)) || &name[dot..] == b".Z";
    if is_known { &name[..dot] } else { name }
}

/// A name less a date with the separators before it, and less the number right after that (`app.2026-11-23.0.log`).
struct Dated {
    rest: Vec<u8>,
    date: Option<Vec<u8>>,
    number: Option<u64>,
}

impl Dated {
    fn of(name: &[u8]) -> Self {
        let none = || Self { rest: name.to_vec(), date: None, number: None };
        let begins = |at: &usize| name[*at].is_ascii_digit() && (*at == 0 || !name[*at - 1].is_ascii_digit());
        let found = (0..name.len()).filter(begins).map(|at| (at, date_len(&name[at..]))).find(|(_, len)| *len > 0);
        let Some((at, len)) = found else { return none() };
        let to = at + len;
        let (number, after) = number_after(name, to).map_or((None, to), |(number, end)| (Some(number), end));
        let separators = name[..at].iter().rev().take_while(|byte| is_separator(**byte)).count();
        let mut rest = [&name[..at - separators], &name[after..]].concat();
        if at == separators && rest.first().copied().is_some_and(is_separator) {
            rest.remove(0);
        }
        if rest.is_empty() { none() } else { Self { rest, date: Some(name[at..to].to_vec()), number } }
    }

    fn read(&self, known: &HashSet<&[u8]>) -> Reading {
        let (date, number) = (self.date.clone(), self.number);
        let own = LogName { log: self.rest.clone(), date, number };
        // After a `-` a number is a rotation's only where it follows an ending (`app.log-1`): `sbc-1` is an instance.
        let is_rotation = |log: &[u8]| {
            let dot = self.rest[log.len()] == b'.';
            (known.contains(log) && (dot || log.iter().skip(1).any(|byte| *byte == b'.')))
                || (dot && own.date.is_some())
        };
        if let Some((log, number)) = last_number(&self.rest).filter(|(log, _)| is_rotation(log)) {
            return Reading { name: LogName { log, number: Some(number), ..own }, numbered: None };
        }
        let numbered = if own.date.is_some() { None } else { numbered(&self.rest, known) };
        Reading { name: own, numbered }
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

/// The value of exactly so many digits.
fn digits(text: &[u8], from: usize, len: usize) -> Option<u32> {
    let digits = text.get(from..from + len).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn run_of_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of a date that stands here, or 0: digits alone (`20261123`, `261123`, `202611`, with or without hours, minutes
/// and seconds; seconds since 1970 at the end of a name), or four, two and two with separators. Each is a date only if the
/// calendar has it. A time of day may follow (`2026-11-23-19`, `2026-11-23_19-53`, `20261123-195358`).
fn date_len(text: &[u8]) -> usize {
    let two = |from: usize| digits(text, from, 2);
    let day = |year: Option<u32>, month: usize, day: usize| is_day(year, two(month), two(day));
    let clock = |from: usize, parts: usize| is_clock((0..parts).map(|part| two(from + 2 * part)));
    let year = digits(text, 0, 4);
    let (is_date, len) = match run_of_digits(text) {
        4 => {
            let parted = |at: usize| text.get(at).is_some_and(|byte| matches!(byte, b'.' | b'-' | b'_'));
            let parted = parted(4) && parted(7) && run_of_digits(&text[5..]) == 2;
            (parted && day(year, 5, 8) && run_of_digits(&text[8..]) == 2, 10)
        }
        6 => (day(two(0).map(|year| 2000 + year), 2, 4) || is_day(year, two(4), Some(1)), 6),
        8 => (day(year, 4, 6), 8),
        10 if text.len() == 10 && digits(text, 0, 10).is_some_and(|seconds| seconds >= 1_000_000_000) => return 10,
        run @ (10 | 12 | 14) => return if day(year, 4, 6) && clock(8, (run - 8) / 2) { run } else { 0 },
        _ => (false, 0),
    };
    if is_date { len + clock_len(&text[len..]) } else { 0 }
}

/// The length of a time of day with the separators before and within it, or 0. A `.` starts none: `.10` is a number.
fn clock_len(text: &[u8]) -> usize {
    let begins = |at: usize| text.get(at).is_some_and(|byte| matches!(byte, b'-' | b'_' | b'T'));
    let run = text.get(1..).map_or(0, run_of_digits);
    if !begins(0) {
        return 0;
    }
    if matches!(run, 4 | 6) {
        return if is_clock((0..run / 2).map(|part| digits(text, 1 + 2 * part, 2))) { 1 + run } else { 0 };
    }
    let part = |nth: usize| {
        let at = 3 * nth;
        let is_part = begins(at) && run_of_digits(&text[at + 1..]) == 2;
        is_part.then(|| digits(text, at + 1, 2)).flatten().is_some_and(|value| value < if nth == 0 { 24 } else { 60 })
    };
    3 * (0..3).take_while(|nth| part(*nth)).count()
}

fn is_day(year: Option<u32>, month: Option<u32>, day: Option<u32>) -> bool {
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return false };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1970..2100).contains(&year) && (1..=days).contains(&day)
}

fn is_clock(parts: impl Iterator<Item = Option<u32>>) -> bool {
    parts.zip([23, 59, 60]).all(|(part, most)| part.is_some_and(|part| part <= most))
}

/// A separator and a number at this place, with where it ends.
fn number_after(name: &[u8], from: usize) -> Option<(u64, usize)> {
    let run = name.get(from).filter(|byte| is_separator(**byte)).map(|_| run_of_digits(&name[from + 1..]))?;
    let end = from + 1 + run;
    (run > 0)
        .then(|| std::str::from_utf8(&name[from + 1..end]).ok()?.parse().ok())
        .flatten()
        .map(|number| (number, end))
}

/// A name that ends in a separator and a number: what stands before, and the number.
fn last_number(name: &[u8]) -> Option<(Vec<u8>, u64)> {
    let first = name.iter().rposition(|byte| !byte.is_ascii_digit()).filter(|at| *at > 0)?;
    let (number, end) = number_after(name, first)?;
    (end == name.len()).then(|| (name[..first].to_vec(), number))
}

/// A number with the separator before it, the last that leaves the name of a known log.
fn numbered(name: &[u8], known: &HashSet<&[u8]>) -> Option<Numbered> {
    let separators = (1..name.len()).rev().filter(|at| is_separator(name[*at]));
    let mut numbers = separators.filter_map(|at| number_after(name, at).map(|(number, end)| (at, number, end)));
    numbers.find_map(|(at, number, end)| {
        let log = [&name[..at], &name[end..]].concat();
        let family = || [&name[..=at], b"\0", &name[end..]].concat();
        known
            .contains(log.as_slice())
            .then(|| Numbered { family: family(), name: LogName { log, date: None, number: Some(number) } })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LOGS: &[&[u8]] = &[];

    fn logs(names: &[&str]) -> Vec<String> {
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        log_names(&names, NO_LOGS).into_iter().map(|read| String::from_utf8(read.name.log).unwrap()).collect()
    }

    fn oldest_first(names: &[&str]) -> Vec<String> {
        let bytes: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut both: Vec<_> = log_names(&bytes, NO_LOGS).into_iter().zip(names).collect();
        both.sort_by(|a, b| a.0.name.age(&b.0.name));
        both.into_iter().map(|(_, name)| (*name).to_owned()).collect()
    }

    #[test]
    fn rotations_of_one_log_have_its_name() {
        assert_eq!(logs(&["app.log", "app.log.1", "app.log.2.gz"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.log", "app.2026-11-23.0.log", "app.2026-11-23.1.log"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.log", "app.log-20261123", "app.log-20261123.gz", "app-20261122.log"]), ["app.log"; 4]);
        assert_eq!(logs(&["app.log", "app.log.2026-11-23-19", "app.log.2026-11-23_19-53"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.2026-11-23.log", "app.2026-11-24.log", "app.2026-11-24.1.log"]), ["app.log"; 3]);
        assert_eq!(logs(&["app.2026-11-23.0.log", "app-2026-11-04T18-30-00.132.log"]), ["app.log"; 2]);
        assert_eq!(logs(&["app-20261123.log.1", "app__2026-11-23_00-00-00.log", "20261123-app.log"]), ["app.log"; 3]);
        assert_eq!(logs(&["syslog", "syslog.1", "syslog.2.gz"]), ["syslog"; 3]);
        assert_eq!(logs(&["app.log", "app.log-1", "app.log_2"]), ["app.log"; 3]);
    }

    #[test]
    fn a_log_whose_file_is_away_still_has_its_rotations() {
        let names = [b"app.log.1".to_vec()];
        assert_eq!(log_names(&names, &[b"app.log".to_vec()])[0].name.log, b"app.log");
        assert_eq!(log_names(&names, NO_LOGS)[0].name.log, b"app.log.1");
    }

    #[test]
    fn two_logs_with_numbers_are_two_logs() {
        let check = |names: &[&str]| assert_eq!(logs(names), names);
        check(&["sbc-1.log", "sbc-2.log"]);
        check(&["sbc.log", "sbc-1.log", "sbc-2.log", "sbc_3.log", "sbc.4.log"]);
        check(&["sbc", "sbc-1", "sbc_2"]);
        check(&["node1.log", "node2.log", "1.log", "2.log"]);
        assert_eq!(logs(&["sbc-1.log", "sbc-1.log.1", "sbc-2.log"]), ["sbc-1.log", "sbc-1.log", "sbc-2.log"]);
    }

    #[test]
    fn a_number_amid_a_name_leaves_open_what_it_is() {
        let names = [&b"app.log"[..], b"app.1.log", b"app-2.log", b"app.log.3", b"other.4.log"].map(<[u8]>::to_vec);
        let read = log_names(&names, NO_LOGS);
        let maybe = |nth: usize| read[nth].numbered.clone().map(|numbered| (numbered.family, numbered.name.number));
        assert_eq!(maybe(1), Some((b"app.\0.log".to_vec(), Some(1))));
        assert_eq!(maybe(2), Some((b"app-\0.log".to_vec(), Some(2))));
        assert_eq!((maybe(0), maybe(3), maybe(4)), (None, None, None));
    }

    #[test]
    fn digits_are_a_date_only_if_the_calendar_agrees() {
        for date in [
            "20261123",
            "261123",
            "202611",
            "2026112319",
            "202611231953",
            "20261123195358",
            "2026-11-23",
            "2026.11.23",
            "2026_11_23",
            "2026-11-23-19",
            "2026-11-23T19-53-58",
            "20261123-1953",
            "20261123_195358",
            "20240229",
        ] {
            assert_eq!(logs(&[&format!("sbc-{date}.log")]), ["sbc.log"], "{date}");
        }
        for number in [
            "100200",
            "200300",
            "20261323",
            "20261131",
            "20230229",
            "19691231",
            "21000101",
            "2026112324",
            "202611231960",
            "2026-13-01",
            "2026-11-31",
            "2026-1-23",
            "1234567",
            "123456789",
            "12345678901",
            "1795463450",
            "8210000019",
        ] {
            let names = [format!("sbc-{number}.log"), "sbc.log".into()];
            assert_eq!(logs(&[&names[0], &names[1]]), [names[0].as_str(), "sbc.log"], "{number}");
        }
        assert_eq!(logs(&["app.log", "app.log-1795463450", "app.log.1795463450.gz"]), ["app.log"; 3]);
    }

    #[test]
    fn compressed_files_are_rotations_by_name() {
        for ending in ["gz", "bz2", "xz", "zst", "zstd", "lz4", "zip", "7z", "Z", "GZ", "lzma"] {
            let name = format!("app.log.1.{ending}");
            assert_eq!(logs(&["app.log", &name]), ["app.log"; 2], "{ending}");
            assert!(is_compressed(name.as_bytes()), "{ending}");
        }
        assert!(![&b"app.log"[..], b".gz", b"app.z", b"gz", b"app.gzx"].into_iter().any(is_compressed));
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
