//! What rotates logs: renames, copies and truncates, as logrotate and loggers do them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::world::World;

impl World {
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.log(from), self.log(to)).unwrap();
    }

    /// `app.log` becomes `app.log.1`, and what was there moves on; beyond `keep` it is deleted. Nothing new is made.
    pub fn rotate(&self, name: &str, keep: usize) {
        let numbered = |number: usize| format!("{name}.{number}");
        for number in (1..=keep).rev().filter(|number| self.log(&numbered(*number)).exists()) {
            if number == keep {
                fs::remove_file(self.log(&numbered(number))).unwrap();
            } else {
                self.rename(&numbered(number), &numbered(number + 1));
            }
        }
        self.rename(name, &numbered(1));
    }

    /// What logrotate's `copytruncate` does to a log nobody writes to.
    pub fn copytruncate(&self, name: &str, copy: &str) {
        fs::copy(self.log(name), self.log(copy)).unwrap();
        truncate(&self.log(name));
    }
}

/// The same to a log that somebody writes to all the time: more is written between the copy and the truncate.
pub async fn copytruncate_under_load(log: PathBuf, copy: PathBuf) {
    let rotating = tokio::task::spawn_blocking(move || {
        let copied = fs::copy(&log, copy).unwrap();
        while fs::metadata(&log).unwrap().len() <= copied {
            std::thread::yield_now();
        }
        truncate(&log);
    });
    rotating.await.unwrap();
}

pub fn truncate(path: &Path) {
    File::options().write(true).open(path).unwrap().set_len(0).unwrap();
}
