//! Files are never waited for without an end: a share that is away, a file system that is frozen or a
//! pipe holds up a thread that nobody needs, for no longer than a limit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Store;
use crate::model::Document;

/// How long this machine's own disk may take for one answer: a snapshot may freeze it for a while.
pub(in crate::run) const HERE: Duration = Duration::from_mins(1);

/// How long a second copy may take: a run goes on without it.
pub(in crate::run) const THERE: Duration = Duration::from_secs(10);

/// A place that answers in time, or is not asked again.
#[derive(Clone, Debug)]
pub(in crate::run) struct Reach {
    limit: Duration,
    gone: Arc<AtomicBool>,
}

impl Reach {
    pub(in crate::run) fn within(limit: Duration) -> Self {
        Self {
            limit,
            gone: Arc::default(),
        }
    }

    /// Does it on a thread of its own.
    ///
    /// # Errors
    /// Its own; of kind `TimedOut` where it does not end within the limit, and at once where an
    /// earlier one did not.
    pub(in crate::run) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.gone.load(Relaxed) {
            return Err(silent(self.limit));
        }
        let (told, hear) = mpsc::channel();
        thread::Builder::new().spawn(move || told.send(work()))?;
        let answer = wait(&hear, self.limit);
        if matches!(&answer, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
            self.gone.store(true, Relaxed);
        }
        answer
    }
}

fn wait<T>(hear: &mpsc::Receiver<io::Result<T>>, limit: Duration) -> io::Result<T> {
    match hear.recv_timeout(limit) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(silent(limit)),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("it was cut short")),
    }
}

fn silent(limit: Duration) -> io::Error {
    let why = format!("it does not answer within {} s", limit.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, why)
}

type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// A store on a thread of its own. What did not end within the limit may still take effect: whoever
/// hears of it must not write there again.
pub(in crate::run) struct Apart {
    works: mpsc::Sender<Work>,
    limit: Duration,
}

impl Apart {
    pub(in crate::run) fn new(
        mut store: impl Store + 'static,
        limit: Duration,
    ) -> io::Result<Self> {
        let (works, todo) = mpsc::channel::<Work>();
        thread::Builder::new().spawn(move || {
            for work in todo {
                work(&mut store);
            }
        })?;
        Ok(Self { works, limit })
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (told, hear) = mpsc::channel();
        let work: Work = Box::new(move |store| drop(told.send(work(store))));
        // Where its thread is gone, so is `told`: that is told below.
        drop(self.works.send(work));
        wait(&hear, self.limit)
    }
}

impl Store for Apart {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        self.ask(|store| store.load())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.to_vec();
        self.ask(move |store| store.append(&bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.ask(|store| store.sync())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.ask(move |store| store.truncate(length))
    }

    fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.to_vec();
        self.ask(move |store| store.keep(document, &bytes))
    }

    fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
        self.ask(move |store| store.kept(document))
    }

    fn set_aside(&mut self) -> io::Result<String> {
        self.ask(|store| store.set_aside())
    }

    fn reserve(&mut self) -> io::Result<()> {
        self.ask(|store| store.reserve())
    }

    fn written_by_others(&mut self) -> io::Result<Vec<u8>> {
        self.ask(|store| store.written_by_others())
    }

    fn leave_to_others(&mut self) -> io::Result<()> {
        self.ask(|store| store.leave_to_others())
    }

    fn make_room(&mut self) -> io::Result<bool> {
        self.ask(|store| store.make_room())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Mutex, MutexGuard};

    use super::*;
    use crate::run::store::{MemoryStore, Mirrored};

    const SOON: Duration = Duration::from_millis(30);

    /// A store that hangs as long as somebody holds the lock.
    struct Frozen(MemoryStore, &'static Mutex<()>);

    impl Frozen {
        fn thaw(&self) -> MutexGuard<'_, ()> {
            self.1.lock().unwrap()
        }
    }

    impl Store for Frozen {
        fn load(&mut self) -> io::Result<Vec<u8>> {
            drop(self.thaw());
            self.0.load()
        }
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            drop(self.thaw());
            self.0.append(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            self.0.sync()
        }
        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.0.truncate(length)
        }
        fn keep(&mut self, document: Document, bytes: &[u8]) -> io::Result<()> {
            self.0.keep(document, bytes)
        }
        fn kept(&mut self, document: Document) -> io::Result<Option<Vec<u8>>> {
            self.0.kept(document)
        }
        fn set_aside(&mut self) -> io::Result<String> {
            self.0.set_aside()
        }
    }

    #[test]
    fn a_second_copy_that_hangs_is_given_up_and_told_and_the_run_goes_on() {
        let ice: &'static Mutex<()> = Box::leak(Box::default());
        let (first, second) = (MemoryStore::default(), MemoryStore::default());
        let notes: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&notes);
        let note = Box::new(move |note: &str| taken.lock().unwrap().push(note.to_owned()));
        let apart = Apart::new(Frozen(second.clone(), ice), SOON).unwrap();
        let mut both = Mirrored::new("r1", first.clone(), apart, note);
        both.append(b"one\n").unwrap();
        both.sync().unwrap();
        let held = ice.lock().unwrap();
        both.append(b"two\n").unwrap();
        both.append(b"tri\n").unwrap();
        drop(held);
        assert_eq!(first.bytes(), b"one\ntwo\ntri\n");
        assert!(b"one\ntwo\n".starts_with(&second.bytes()), "no hole");
        let notes = notes.lock().unwrap();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("does not answer within"), "{notes:?}");
    }

    #[test]
    fn a_place_that_hung_once_is_not_asked_again() {
        let reach = Reach::within(SOON);
        assert_eq!(reach.ask(|| Ok(1)).unwrap(), 1);
        let (keep, hang) = mpsc::channel::<()>();
        let late = reach.ask(move || Ok(hang.recv().is_ok()));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let asked = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&asked);
        let again = reach.ask(move || {
            set.store(true, Relaxed);
            Ok(())
        });
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(!asked.load(Relaxed));
        drop(keep);
    }
}
