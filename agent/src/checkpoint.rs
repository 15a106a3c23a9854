//! The state directory: the agent's id, its lock, and a checkpoint that survives a crash at any point.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use record::wire;
use tracing::warn;

use crate::Error;
use crate::follow::Saved;

/// The first bytes of a checkpoint: what it is, and its version.
const MAGIC: &[u8; 8] = b"siptrl\x00\x01";
const CURRENT: &str = "checkpoint";
const FORMER: &str = "checkpoint.former";
const NEXT: &str = "checkpoint.next";
/// What the agent keeps is for nobody else: a quarantine holds messages.
const MODE: u32 = 0o600;
/// Records that the collector cannot accept.
const QUARANTINE: &str = "quarantine";

/// A state directory, locked for this agent.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fault = |cause| Error::State { dir: path.to_path_buf(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(MODE).open(path.join("lock"));
        let lock = lock.map_err(fault)?;
        lock.try_lock().map_err(|_| fault(io::Error::new(io::ErrorKind::ResourceBusy, "another agent uses it")))?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// The agent's id: made once, and durable before it is used.
    pub fn agent_id(&self) -> Result<String, Error> {
        let fault = |cause| Error::State { dir: self.path.clone(), cause };
        let file = self.path.join("id");
        match fs::read_to_string(&file) {
            Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
        let id = format!("{:032x}", rand::random::<u128>());
        replace(&self.path, "id.next", "id", None, id.as_bytes(), Step::Last).map_err(fault)?;
        Ok(id)
    }

    /// The checkpoint, or its former generation. What is damaged is thrown away: the collector knows better.
    pub fn load(&self) -> Saved {
        for name in [CURRENT, FORMER] {
            match fs::read(self.path.join(name)) {
                Ok(bytes) => match decode(&bytes) {
                    Some(saved) => return saved,
                    None => warn!(
                        file = name,
                        "the checkpoint cannot be read and is thrown away; the collector is asked instead"
                    ),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    warn!(file = name, %error, "the checkpoint cannot be read; the collector is asked instead");
                }
            }
        }
        Saved::default()
    }

    /// Writes a checkpoint; the former one stays until it is whole.
    pub fn write(&self, saved: &Saved) -> io::Result<()> {
        self.write_up_to(saved, Step::Last)
    }

    fn write_up_to(&self, saved: &Saved, last: Step) -> io::Result<()> {
        replace(&self.path, NEXT, CURRENT, Some(FORMER), &*encode(saved)?, last)
    }

    /// Keeps a rejected record in quarantine, on disk: the gap that stands for it is sent only after that. Nobody but the agent
    /// may read it.
    pub fn quarantine(&self, name: &str, record: impl Read) -> io::Result<()> {
        let directory = self.path.join(QUARANTINE);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        File::open(&self.path)?.sync_all()?;
        replace(&directory, &format!("{name}.next"), name, None, record, Step::Last)
    }

    /// Bytes in quarantine.
    pub fn quarantined(&self) -> u64 {
        let records = fs::read_dir(self.path.join(QUARANTINE)).into_iter().flatten().flatten();
        records.filter_map(|record| record.metadata().ok()).map(|record| record.len()).sum()
    }
}

/// The steps of a write, so that a test can stop after each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Written,
    Synced,
    Kept,
    Renamed,
    Last,
}

fn replace(
    directory: &Path,
    next: &str,
    current: &str,
    former: Option<&str>,
    mut bytes: impl Read,
    last: Step,
) -> io::Result<()> {
    let path = directory.join(next);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(MODE).open(&path)?;
    io::copy(&mut bytes, &mut file)?;
    if last == Step::Written {
        return Ok(());
    }
    file.sync_all()?;
    if last == Step::Synced {
        return Ok(());
    }
    if let Some(former) = former {
        match fs::rename(directory.join(current), directory.join(former)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if last == Step::Kept {
        return Ok(());
    }
    fs::rename(&path, directory.join(current))?;
    if last == Step::Renamed {
        return Ok(());
    }
    File::open(directory)?.sync_all()
}

fn encode(saved: &Saved) -> io::Result<Vec<u8>> {
    let body = wire::encode(saved).map_err(io::Error::other)?;
    let crc = crc32c::crc32c(&body);
    Ok([MAGIC.as_slice(), &crc.to_be_bytes(), &body].concat())
}

fn decode(bytes: &[u8]) -> Option<Saved> {
    let (crc, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    (crc32c::crc32c(body) == u32::from_be_bytes(*crc)).then(|| wire::decode(body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(number: u64) -> Saved {
        Saved { number, ..Saved::default() }
    }

    #[test]
    fn c06_a_crash_at_any_step_leaves_the_old_or_the_new_state() {
        for last in [Step::Written, Step::Synced, Step::Kept, Step::Renamed, Step::Last] {
            let dir = tempfile::tempdir().unwrap();
            let state = StateDirectory::open(dir.path()).unwrap();
            state.write(&saved(1)).unwrap();
            state.write_up_to(&saved(2), last).unwrap();
            drop(state);
            let loaded = StateDirectory::open(dir.path()).unwrap().load();
            let new = last >= Step::Renamed;
            assert_eq!(loaded, saved(if new { 2 } else { 1 }), "{last:?}");
        }
    }

    #[test]
    fn a_damaged_checkpoint_gives_way_to_the_former_one() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(dir.path()).unwrap();
        state.write(&saved(1)).unwrap();
        state.write(&saved(2)).unwrap();
        let whole = fs::read(dir.path().join(CURRENT)).unwrap();
        for damaged in
            [Vec::new(), vec![0; whole.len()], whole[..whole.len() - 1].to_vec(), b"siptrl\x00\x02....".to_vec()]
        {
            fs::write(dir.path().join(CURRENT), damaged).unwrap();
            assert_eq!(state.load(), saved(1));
        }
        fs::write(dir.path().join(FORMER), "garbage").unwrap();
        assert_eq!(state.load(), Saved::default());
    }

    #[test]
    fn a_record_is_in_quarantine_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(dir.path()).unwrap();
        for bytes in [b"first".as_slice(), b"again"] {
            state.quarantine("1-0", bytes).unwrap();
            assert_eq!(fs::read(dir.path().join("quarantine/1-0")).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(dir.path().join("quarantine")).unwrap().count(), 1, "nothing half written is left");
        fs::create_dir(dir.path().join("quarantine/2-0.next")).unwrap();
        assert!(state.quarantine("2-0", b"x".as_slice()).is_err());
        assert!(!dir.path().join("quarantine/2-0").exists());
    }

    #[test]
    fn an_id_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let id = StateDirectory::open(dir.path()).unwrap().agent_id().unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(StateDirectory::open(dir.path()).unwrap().agent_id().unwrap(), id);
    }

    #[test]
    fn two_agents_do_not_share_a_state() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDirectory::open(dir.path()).unwrap();
        let second = StateDirectory::open(dir.path()).unwrap_err().to_string();
        assert!(second.contains("another agent uses it"), "{second}");
        drop(first);
        assert!(StateDirectory::open(dir.path()).is_ok());
    }
}
