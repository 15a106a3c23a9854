//! Which files may hold the same bytes: only these are compared with each other.
//!
//! Where few files begin alike, each may be a copy of each. Where many do, a copy bears the name of its log, in whatever
//! directory, or is as long as the original and has the same digest. So thousands of logs that begin with the same banner
//! are not compared each with each.

use std::collections::HashMap;
use std::ffi::OsString;

use record::id::StreamId;

use super::file::{File, Role};
use super::files::Files;
use super::streams::Streams;
use crate::guard::Look;
use crate::place::SourceId;
use crate::stream::{FileKey, Stream};

type Named = (SourceId, OsString);
type Sized = (SourceId, u64);
/// The first bytes of a file.
type Begun = (SourceId, [u8; BEGIN]);

/// Bytes by which files are sorted that may begin alike.
const BEGIN: usize = 32;
/// So many files are compared each with each.
const FEW: usize = 16;

/// Invariant: what is not kin by this index cannot be a copy that is known as one.
#[derive(Debug, Default)]
pub(super) struct Kin {
    /// Files that are not judged yet.
    fresh: Index<FileKey>,
    /// Streams whose file lives.
    streams: Index<StreamId>,
    /// Files that cannot be read now.
    unreadable: Vec<FileKey>,
}

/// By the three things that copies have in common.
#[derive(Debug)]
struct Index<T> {
    named: HashMap<Named, Vec<T>>,
    sized: HashMap<Sized, Vec<T>>,
    begun: HashMap<Begun, Vec<T>>,
}

impl Kin {
    pub fn new(files: &Files, streams: &Streams) -> Self {
        let mut kin = Self::default();
        for (key, file) in files.iter() {
            if file.trouble.is_some() {
                kin.unreadable.push(key);
            }
            if let Some(id) = file.stream().filter(|_| file.open) {
                if let Some(stream) = streams.get(id).filter(|stream| stream.file() == Some(key)) {
                    kin.add(file, stream);
                }
            } else if file.role == Role::Fresh
                && file.open
                && let Some(look) = &file.look
            {
                kin.fresh.add(key, file, look.stat.size, &look.head);
            }
        }
        kin
    }

    /// The file is this stream's.
    pub fn add(&mut self, file: &File, stream: &Stream) {
        self.streams.add(stream.id, file, file.stat.size, &stream.print.head);
    }

    /// Few files begin alike.
    pub fn are_few(&self, file: &File, look: &Look) -> bool {
        begin_of(file, &look.head).is_some_and(|begin| self.fresh.number(&begin) + self.streams.number(&begin) <= FEW)
    }

    /// Files that are not judged yet and may hold the same bytes.
    pub fn fresh(&self, file: &File, look: &Look) -> impl Iterator<Item = FileKey> {
        self.fresh.of(file, look, self.are_few(file, look))
    }

    /// Streams whose file lives and may hold the same bytes; also the one whose bytes it held when it was last compared.
    pub fn streams(&self, file: &File, look: &Look) -> impl Iterator<Item = StreamId> {
        self.streams.of(file, look, self.are_few(file, look)).chain(file.equal.map(|(stream, _)| stream))
    }

    pub fn unreadable(&self) -> impl Iterator<Item = FileKey> {
        self.unreadable.iter().copied()
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { named: HashMap::new(), sized: HashMap::new(), begun: HashMap::new() }
    }
}

impl<T: Copy> Index<T> {
    fn add(&mut self, what: T, file: &File, size: u64, head: &[u8]) {
        self.named.entry(named(file)).or_default().push(what);
        self.sized.entry((file.source, size)).or_default().push(what);
        if let Some(begin) = begin_of(file, head) {
            self.begun.entry(begin).or_default().push(what);
        }
    }

    /// How many begin so.
    fn number(&self, begin: &Begun) -> usize {
        self.begun.get(begin).map_or(0, Vec::len)
    }

    /// Those of the same name or size, and where there are `few`, those that begin alike.
    fn of(&self, file: &File, look: &Look, few: bool) -> impl Iterator<Item = T> {
        let begin = begin_of(file, &look.head).filter(|_| few);
        let found = [
            self.named.get(&named(file)),
            self.sized.get(&(file.source, look.stat.size)),
            begin.and_then(|begin| self.begun.get(&begin)),
        ];
        found.into_iter().flatten().flatten().copied()
    }
}

/// The name of the log, without its directory: rotations may be moved to another.
fn named(file: &File) -> Named {
    (file.source, file.chain.file_name().unwrap_or_default().to_owned())
}

fn begin_of(file: &File, head: &[u8]) -> Option<Begun> {
    Some((file.source, head.first_chunk().copied()?))
}

/// A file may be as another one that was looked at: it bears the same name, or has the same size and digest.
pub(super) fn are_kin(file: &File, look: &Look, other: &File, other_look: &Look) -> bool {
    file.chain.file_name() == other.chain.file_name()
        || (look.stat.size == other_look.stat.size && look.digest == other_look.digest)
}

/// A file may be as the one that a stream is in.
pub(super) fn is_kin(file: &File, look: &Look, stream: &Stream, there: &File) -> bool {
    let size = look.stat.size;
    let may_equal = || stream.birth.is_none_or(|(then, digest)| then != size || Some(digest) == look.digest);
    let was_equal = file.equal.is_some_and(|(equal, _)| equal == stream.id);
    was_equal || file.chain.file_name() == there.chain.file_name() || (there.stat.size == size && may_equal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::judge::tests::{file, stream};
    use crate::stream::State;

    const HEAD: &[u8] = b"# log of the application, begins: and the same in each of them";

    /// Files of one source with one head, each a log of its own.
    fn many(number: u64) -> (Files, Streams) {
        let (mut files, streams) = (Files::default(), Streams::default());
        for nth in 0..number {
            let look = Look { digest: Some(nth), ..file(nth, 100, HEAD).look.unwrap_or_default() };
            let chain = format!("/log/{nth}.log").into();
            files.add(File { look: Some(look), chain, ..file(nth, 100, HEAD) });
        }
        (files, streams)
    }

    #[test]
    fn few_files_that_begin_alike_may_each_be_a_copy_of_each_and_of_many_only_those_with_one_digest() {
        for (number, kin_of_first) in [(10, 10), (100, 1)] {
            let (files, streams) = many(number);
            let kin = Kin::new(&files, &streams);
            let first = files.get(1).unwrap();
            let look = first.look.as_ref().unwrap();
            let mut others: Vec<FileKey> = kin
                .fresh(first, look)
                .filter(|key| {
                    let other = files.get(*key).unwrap();
                    kin.are_few(first, look) || are_kin(first, look, other, other.look.as_ref().unwrap())
                })
                .collect();
            others.sort_unstable();
            others.dedup();
            assert_eq!(others.len(), kin_of_first);
        }
    }

    #[test]
    fn a_stream_is_kin_by_its_log_s_name_or_by_size_and_digest() {
        let look = Look { digest: Some(7), ..file(1, 100, HEAD).look.unwrap() };
        let other_name = File { chain: "/log/other.log".into(), ..file(2, 100, HEAD) };
        let born = |birth| {
            let mut stream = stream(State::Away(1), HEAD);
            stream.birth = birth;
            stream
        };
        let own = file(1, 100, HEAD);
        assert!(is_kin(&own, &look, &born(Some((100, 8))), &file(2, 200, HEAD)), "its name");
        assert!(is_kin(&own, &look, &born(Some((100, 7))), &other_name), "size and digest");
        assert!(is_kin(&own, &look, &born(Some((90, 8))), &other_name), "the digest is of another size");
        assert!(!is_kin(&own, &look, &born(Some((100, 8))), &other_name), "another digest");
        assert!(!is_kin(&own, &look, &born(None), &File { stat: crate::content::Stat::default(), ..other_name }));
    }
}
