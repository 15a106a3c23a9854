//! Logs that were written once, read again: in another order, split as by a rotation, by another clock.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::lab::is_header;
use super::{Api, Siptrail, eventually};

/// What happens to a log while it is read again. The next thing happens once all before it is read.
#[derive(Clone)]
pub enum Step {
    Grows(&'static str, Vec<String>),
    IsRenamed(&'static str),
    /// So many calls are settled by what is read so far.
    IsSettled(usize),
}

/// The records of a log, each with what stands between it and the next.
pub fn records(log: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log).expect("the log")).into_owned();
    let mut records: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match records.last_mut().filter(|_| !is_header(line.as_bytes())) {
            Some(record) => record.push_str(line),
            None => records.push(line.to_owned()),
        }
    }
    records
}

/// When it was logged, in microseconds, and where that stands; none of what no record begins.
fn time(record: &str) -> Option<(i64, std::ops::Range<usize>)> {
    let from = record.find("<script>: [")? + "<script>: [".len();
    let to = from + record[from..].find(']')?;
    let (seconds, micros) = record[from..to].split_once('.')?;
    Some((seconds.parse::<i64>().ok()? * 1_000_000 + micros.parse::<i64>().ok()?, from..to))
}

/// As a machine would have logged them whose clock is off by so many microseconds.
pub fn moved(records: &[String], off: i64) -> Vec<String> {
    let moved = |record: &String| {
        let Some((at, place)) = time(record) else { return record.clone() };
        let at = at + off;
        let mut record = record.clone();
        record.replace_range(place, &format!("{}.{:06}", at.div_euclid(1_000_000), at.rem_euclid(1_000_000)));
        record
    };
    records.iter().map(moved).collect()
}

/// Two logs by turns, in parts of equal length.
pub fn interleaved(logs: &[(&'static str, Vec<String>)], parts: usize) -> Vec<Step> {
    let part = |records: &[String], nth: usize| {
        records[records.len() * nth / parts..records.len() * (nth + 1) / parts].to_vec()
    };
    (0..parts).flat_map(|nth| logs.iter().map(move |(log, records)| Step::Grows(log, part(records, nth)))).collect()
}

/// A collector that reads logs below a directory as they grow.
pub async fn read_again(dir: &Path, steps: &[Step]) -> (Siptrail, Api) {
    let file = |log: &str| -> PathBuf { dir.join(log).join("kamailio.log") };
    let mut logs: Vec<PathBuf> = Vec::new();
    for step in steps {
        if let Step::Grows(log, _) = step {
            std::fs::create_dir_all(dir.join(log)).expect("made");
            logs.push(dir.join(log).join("*.log"));
        }
    }
    logs.sort();
    logs.dedup();
    let siptrail = Siptrail::watch(&dir.join("data"), &logs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let api = siptrail.api().await;
    let mut written = 0;
    for step in steps {
        match step {
            Step::Grows(log, records) => {
                let open = std::fs::OpenOptions::new().create(true).append(true).open(file(log));
                open.and_then(|mut log| log.write_all(records.concat().as_bytes())).expect("written");
                written += records.iter().filter(|record| time(record).is_some()).count();
            }
            Step::IsRenamed(log) => std::fs::rename(file(log), file(log).with_extension("log.1")).expect("renamed"),
            Step::IsSettled(calls) => drop(api.settled(*calls).await),
        }
        eventually("what is written is read", || async {
            let read = api.messages("").await?.len();
            // What stands last in a log may not be whole.
            if read + logs.len() >= written { Ok(()) } else { Err(format!("{read} of {written}")) }
        })
        .await;
    }
    (siptrail, api)
}
