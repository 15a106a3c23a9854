//! Plays a round: each line is written when its time has come, so that a reader sees the logs grow.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use record::time::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::network::Log;
use super::script::{LENGTH, Script};
use super::story::Line;

/// Logs that are written to.
pub struct Logs(Vec<(Log, std::fs::File)>);

impl Logs {
    /// Empty ones at first, so that all of them are followed when the first record is written.
    pub fn make(directory: &Path) -> anyhow::Result<Self> {
        let told = || format!("cannot make logs in {}", directory.display());
        std::fs::create_dir(directory).with_context(told)?;
        let make = |log: Log| Ok((log, std::fs::File::create(directory.join(log.file())).with_context(told)?));
        Ok(Self(Log::ALL.into_iter().map(make).collect::<anyhow::Result<_>>()?))
    }

    fn write(&mut self, line: &Line, start: Timestamp) -> anyhow::Result<()> {
        let record = record(line, start);
        for (_, file) in self.0.iter_mut().filter(|(log, _)| *log == line.log) {
            file.write_all(record.as_bytes()).with_context(|| format!("cannot write {}", line.log.file()))?;
        }
        Ok(())
    }
}

/// A line as it is logged in a round that begins then.
pub fn record(line: &Line, start: Timestamp) -> String {
    let at = start.0 + line.at;
    let time = format!("{}.{:06}", at.div_euclid(1_000_000), at.rem_euclid(1_000_000));
    let Line { what, source, destination, text, .. } = line;
    format!("[{time}][{what}][{source}][{destination}]\n{text}\n")
}

/// When the first line of a round was logged, if it is played so many times as fast: the last one is logged now.
pub fn begins(now: Timestamp, speed: u32) -> Timestamp {
    Timestamp(now.0 - LENGTH + LENGTH / i64::from(speed))
}

/// Plays a round to its end.
pub async fn play(
    logs: &mut Logs,
    script: &Script,
    start: Timestamp,
    speed: u32,
    say: impl Fn(&str),
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let when = |at: i64| begun + Duration::from_micros(at.unsigned_abs()) / speed;
    let mut said = script.said.iter().peekable();
    for line in &script.lines {
        while let Some((at, sentence)) = said.next_if(|(at, _)| *at <= line.at) {
            sleep_until(when(*at)).await;
            say(sentence);
        }
        sleep_until(when(line.at)).await;
        logs.write(line, start)?;
    }
    sleep_until(when(LENGTH)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::*;

    #[tokio::test]
    async fn a_round_is_played_at_its_pace_and_logged_with_the_times_of_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut logs = Logs::make(&dir.path().join("logs")).expect("made");
        let mut script = script::round("a");
        script.lines.retain(|line| line.log == Log::Push);
        script.lines.truncate(1);
        let (line, speed) = (script.lines[0].clone(), 1_000);
        let begun = Instant::now();
        play(&mut logs, &script, Timestamp(2_000_000_000_000_000), speed, |_| ()).await.expect("played");
        assert!(begun.elapsed() >= Duration::from_micros(LENGTH.unsigned_abs()) / speed);
        let written = std::fs::read_to_string(dir.path().join("logs/push.log")).expect("read");
        let Line { what, source, destination, text, at, .. } = line;
        let time = format!("20000000{:02}.{:06}", at / 1_000_000, at % 1_000_000);
        assert_eq!(written, format!("[{time}][{what}][{source}][{destination}]\n{text}\n"));
        assert_eq!(begins(Timestamp(5), 1), Timestamp(5), "at its own speed it begins now");
    }
}
