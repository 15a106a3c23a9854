//! What a person sees while `watch` works: a line when something changed, not a flood.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use agent::Progress;
use agent::unread::{Obstacle, Unread};
use agent::wording::shown;
use record::miss::NearMiss;
use record::wrapper::Wrapper;
use store::Store;
use tokio::sync::watch;

use crate::count::Count;
use crate::screen::say;
use crate::words::{counted, megabytes, thousands};

/// At most one line this often while catching up.
const LINE: Duration = Duration::from_secs(2);
/// Less than this is not worth a line.
const WORTH: u64 = 4 << 20;
/// Tells what is missing, how far catching up is, when it is done, and from then on how much is stored.
pub async fn tell(mut told: watch::Receiver<Progress>, store: Store) {
    let mut teller = Teller::new(Instant::now());
    let mut count = Count::default();
    loop {
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            () = count.is_due() => count.say(&store).await,
        }
        let progress = told.borrow_and_update().clone();
        for line in teller.lines(&progress, Instant::now()) {
            say(&line);
        }
        if teller.caught_up_now {
            teller.caught_up_now = false;
            count.say(&store).await;
        }
        count.note((progress.records, progress.reach.shown));
    }
}

/// Decides which lines are worth saying. Pure but for the times given.
struct Teller {
    began: Instant,
    last_line: Option<Instant>,
    unread: Vec<Unread>,
    wrapped: usize,
    misread: usize,
    files: usize,
    behind: bool,
    /// What was there at the start is told, or there was nothing.
    begun: bool,
    caught_up_now: bool,
}

impl Teller {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            last_line: None,
            unread: Vec::new(),
            wrapped: 0,
            misread: 0,
            files: 0,
            behind: false,
            begun: false,
            caught_up_now: false,
        }
    }

    fn lines(&mut self, progress: &Progress, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        self.say_unread(&progress.unread, &mut lines);
        if progress.reach.files != self.files {
            self.files = progress.reach.files;
            lines.push(format!("following {}", counted(self.files as i64, "file")));
        }
        for (path, wrapper) in progress.wrapped.iter().skip(self.wrapped) {
            lines.push(wrapped(path, *wrapper));
        }
        self.wrapped = progress.wrapped.len();
        for (log, miss) in progress.misread.iter().skip(self.misread) {
            lines.push(misread(log, miss));
        }
        self.misread = progress.misread.len();
        let left = progress.reach.left();
        if left > WORTH && self.last_line.is_none_or(|at| now.duration_since(at) >= LINE) {
            self.behind = true;
            self.last_line = Some(now);
            let (done, all) = (megabytes(progress.reach.committed), megabytes(progress.reach.known));
            lines.push(format!("catching up: {done} of {all} MB, {} records", thousands(progress.records as i64)));
        }
        if left == 0 && self.behind {
            self.behind = false;
            self.caught_up_now = true;
            let took = now.duration_since(self.began).as_secs_f64();
            let done = megabytes(progress.reach.committed + progress.reach.shown + progress.reach.unfinished);
            lines.push(format!("up to date: {done} MB in {took:.1} s{}", unfinished(progress)));
        }
        if left == 0 && progress.reach.files > 0 && !self.begun {
            self.begun = true;
            self.caught_up_now |= progress.reach.known > 0;
        }
        lines
    }
}

impl Teller {
    /// Once for each obstacle, and once when it is out of the way.
    fn say_unread(&mut self, unread: &[Unread], lines: &mut Vec<String>) {
        let known: HashSet<(&Path, &Obstacle)> = self.unread.iter().map(obstacle_of).collect();
        let new = unread.iter().filter(|is| !known.contains(&obstacle_of(is)));
        lines.extend(new.map(Unread::to_string));
        let still: HashSet<&Path> = unread.iter().map(|is| &*is.path).collect();
        for was in self.unread.iter().filter(|was| !still.contains(&*was.path)) {
            match was.obstacle {
                Obstacle::Missing => lines.push(format!("{} is there now", was.name())),
                Obstacle::Unreadable(_) if was.path.exists() => lines.push(format!("{} can be read now", was.name())),
                Obstacle::Unreadable(_) | Obstacle::NoFile | Obstacle::Unfit(_) => {}
            }
        }
        if self.unread != unread {
            self.unread = unread.to_vec();
        }
    }
}

/// What is said once: of archives, once for their directory.
fn obstacle_of(unread: &Unread) -> (&Path, &Obstacle) {
    let directory = unread.path.parent().filter(|_| matches!(unread.obstacle, Obstacle::Unfit(_)));
    (directory.unwrap_or(&unread.path), &unread.obstacle)
}

fn file_name(path: &Path) -> String {
    shown(Path::new(path.file_name().unwrap_or(path.as_os_str())))
}

/// A log that is read as what it looks like.
fn wrapped(path: &Path, wrapper: Wrapper) -> String {
    let name = file_name(path);
    if wrapper.is_utf16() {
        return format!("{name}: UTF-16; it is converted");
    }
    format!("{name}: {}; read through wrapper = \"{wrapper}\"", wrapper.title())
}

/// A log with lines that are nearly header lines: why they are none, what to do, and the first of them. Home counts them.
fn misread(log: &Path, miss: &NearMiss) -> String {
    let name = file_name(log);
    let (reason, example) = (miss.reason, without_users(&miss.shown()));
    format!("{name}: some lines are not read: {}. {}\n  such as: {example}", reason.what(), reason.remedy())
}

/// Output goes to logs, and logs must not name people: the user part of an address is left out.
fn without_users(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let address = |text: &str| {
        ["sip:", "sips:", "tel:"].iter().filter_map(|scheme| Some(text.find(scheme)? + scheme.len())).min()
    };
    while let Some(at) = address(rest) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(['@', ']', ';', ' ', '>', '"']).unwrap_or(rest.len());
        if rest[end..].starts_with('@') || out.ends_with("tel:") {
            out.push('…');
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

/// What is shown early and counts when more is written.
fn unfinished(progress: &Progress) -> String {
    let bytes = thousands(progress.reach.unfinished as i64);
    match progress.reach.unfinished_files {
        0 => String::new(),
        1 => format!("; last record of a log still open ({bytes} bytes)"),
        logs => format!("; last records of {logs} logs still open ({bytes} bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use agent::reach::Reach;
    use record::id::Offset;
    use record::miss::Reason;

    use super::*;

    fn progress(files: usize, known: u64, committed: u64) -> Progress {
        Progress { reach: Reach { files, known, committed, ..Reach::default() }, ..Progress::default() }
    }

    #[test]
    fn catching_up_is_a_line_now_and_then_and_one_at_the_end() {
        let start = Instant::now();
        let mut teller = Teller::new(start);
        assert_eq!(
            teller.lines(&progress(2, 200_000_000, 0), start),
            ["following 2 files", "catching up: 0 of 200 MB, 0 records"]
        );
        assert!(teller.lines(&progress(2, 200_000_000, 1_000_000), start + Duration::from_millis(10)).is_empty());
        assert_eq!(
            teller.lines(&progress(2, 200_000_000, 90_000_000), start + LINE),
            ["catching up: 90 of 200 MB, 0 records"]
        );
        assert_eq!(
            teller.lines(&progress(2, 200_000_000, 200_000_000), start + 2 * LINE),
            ["up to date: 200 MB in 4.0 s"]
        );
        assert!(
            teller.lines(&progress(2, 200_000_100, 200_000_100), start + 3 * LINE).is_empty(),
            "live lines are not told"
        );
    }

    #[test]
    fn a_log_whose_last_record_is_still_open_is_up_to_date_and_says_so() {
        let start = Instant::now();
        let mut teller = Teller::new(start);
        teller.lines(&progress(1, 200_000_000, 0), start);
        let mut read = progress(1, 200_000_000, 199_998_700);
        (read.reach.unfinished, read.reach.unfinished_files) = (1300, 1);
        assert_eq!(
            teller.lines(&read, start + LINE),
            ["up to date: 200 MB in 2.0 s; last record of a log still open (1,300 bytes)"]
        );
        assert!(teller.lines(&read, start + 2 * LINE).is_empty());
    }

    #[test]
    fn a_log_whose_last_record_is_shown_whole_is_up_to_date_like_any_other() {
        let start = Instant::now();
        let mut teller = Teller::new(start);
        teller.lines(&progress(1, 200_000_000, 0), start);
        let mut read = progress(1, 200_000_000, 199_998_700);
        read.reach.shown = 1300;
        assert_eq!(teller.lines(&read, start + LINE), ["up to date: 200 MB in 2.0 s"]);
    }

    #[test]
    fn what_was_there_at_the_start_is_told_once_however_small_and_what_comes_live_is_not() {
        let start = Instant::now();
        let mut told = Teller::new(start);
        assert_eq!(told.lines(&progress(1, 900, 0), start), ["following 1 file"]);
        assert!(!told.caught_up_now);
        told.lines(&progress(1, 900, 900), start);
        assert!(std::mem::take(&mut told.caught_up_now));
        told.lines(&progress(1, 990, 990), start);
        assert!(!told.caught_up_now);
        let mut live = Teller::new(start);
        live.lines(&progress(1, 0, 0), start);
        live.lines(&progress(1, 900, 900), start);
        assert!(!live.caught_up_now);
    }

    #[test]
    fn a_path_that_does_not_exist_is_told_once_and_again_when_it_is_there() {
        let mut teller = Teller::new(Instant::now());
        let missing = Unread::new("/x/a.log".into(), Obstacle::Missing);
        let mut waiting = Progress { unread: vec![missing], ..Progress::default() };
        assert_eq!(
            teller.lines(&waiting, teller.began),
            ["/x/a.log does not exist yet; it is followed when it appears"]
        );
        assert!(teller.lines(&waiting, teller.began).is_empty());
        waiting.unread.clear();
        assert_eq!(teller.lines(&waiting, teller.began), ["/x/a.log is there now"]);
    }

    #[test]
    fn a_log_that_cannot_be_read_is_told_once_with_the_reason_and_again_when_it_can() {
        let mut teller = Teller::new(Instant::now());
        let denied = Unread::new("/x/a.log".into(), Obstacle::Unreadable("Permission denied".into()));
        let gone = Unread::new("/x/a.log".into(), Obstacle::Missing);
        let mut progress = Progress { unread: vec![denied], ..Progress::default() };
        assert_eq!(
            teller.lines(&progress, teller.began),
            ["/x/a.log cannot be read: Permission denied; it is tried again"]
        );
        assert!(teller.lines(&progress, teller.began).is_empty());
        progress.unread = vec![gone];
        assert_eq!(
            teller.lines(&progress, teller.began),
            ["/x/a.log does not exist yet; it is followed when it appears"]
        );
        progress.unread.clear();
        assert_eq!(teller.lines(&progress, teller.began), ["/x/a.log is there now"]);
    }

    #[test]
    fn a_log_that_is_wrapped_is_named_once_with_its_wrapper() {
        let mut teller = Teller::new(Instant::now());
        let mut progress = Progress::default();
        for (name, wrapper) in [("/x/app.log", Wrapper::Docker), ("/x/b.log", Wrapper::Utf16Le)] {
            progress.wrapped.push((PathBuf::from(name), wrapper));
        }
        assert_eq!(
            teller.lines(&progress, teller.began),
            ["app.log: Docker's json-file; read through wrapper = \"docker\"", "b.log: UTF-16; it is converted"]
        );
        assert!(teller.lines(&progress, teller.began).is_empty());
    }

    #[test]
    fn lines_that_are_not_understood_are_shown_once_a_log_and_reason_and_name_nobody() {
        let mut teller = Teller::new(Instant::now());
        let line = b"[20.11.2026 09:00][INVITE][sip:+15550100@192.0.2.1][tel:+15550101]";
        let miss = NearMiss::new(Reason::Time, 7, Offset(0), line);
        let progress = Progress { misread: vec![(PathBuf::from("/x/app.log"), miss)], ..Progress::default() };
        let expect = "app.log: some lines are not read: their time is in a form that is not known, or can be read in two \
                      ways. Say how it is written, with time = \"...\" in a format of your own.\n  \
                      such as: [20.11.2026 09:00][INVITE][sip:…@192.0.2.1][tel:…]";
        assert_eq!(teller.lines(&progress, teller.began), [expect]);
        assert!(teller.lines(&progress, teller.began).is_empty());
    }

    #[test]
    fn a_pattern_without_a_file_is_told_once() {
        let mut teller = Teller::new(Instant::now());
        let none = Unread::new("/x/*.log".into(), Obstacle::NoFile);
        let waiting = Progress { unread: vec![none], ..Progress::default() };
        assert_eq!(teller.lines(&waiting, teller.began), ["/x/*.log matches no file yet; what appears is followed"]);
        assert!(teller.lines(&waiting, teller.began).is_empty());
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [thousands(0), thousands(999), thousands(1000), thousands(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
