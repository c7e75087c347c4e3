//! The issuer of credentials: its books are the test's, and survive every server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::trap::{Point, Trap};

/// One revocation of so many fails at first.
const REFUSALS: u64 = 5;

pub(crate) struct Upstream {
    books: Mutex<Books>,
    changed: Condvar,
    trap: Arc<Trap>,
}

#[derive(Default)]
struct Books {
    minted: u64,
    asked: u64,
    /// Every revocation succeeds.
    mild: bool,
    /// Values that are good, by job and credential.
    good: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Upstream {
    /// Opens it; returns its address.
    pub(crate) fn open(trap: &Arc<Trap>) -> (Arc<Upstream>, String) {
        let upstream = Arc::new(Upstream { books: Mutex::default(), changed: Condvar::new(), trap: Arc::clone(trap) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = Arc::clone(&upstream);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        (upstream, address)
    }

    /// From now on every revocation succeeds.
    pub(crate) fn relent(&self) {
        self.books().mild = true;
    }

    /// Waits until no value is good any more; returns how many there were.
    ///
    /// # Panics
    /// If some still are after a while.
    pub(crate) fn all_revoked(&self, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        let mut books = self.books();
        while books.good.values().any(|values| !values.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            books.good.retain(|_, values| !values.is_empty());
            assert!(!left.is_zero(), "of {} values these are good for ever: {:?}", books.minted, books.good);
            books = self.changed.wait_timeout(books, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        books.minted
    }

    fn serve(&self, stream: TcpStream) {
        let mut answers = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let (before, after, answer) = match words[..] {
                ["mint", job, id] => (Point::Mint, Some(Point::Minted), self.mint(job, id)),
                ["rotate", job, id] => (Point::Rotate, None, self.mint(job, id)),
                ["revoke", job, id, value] => {
                    (Point::Revoke, Some(Point::Revoked), self.revoke(job, id, value).to_owned())
                }
                _ => panic!("the server asks {line:?}"),
            };
            self.trap.pass(before);
            // A server that was killed is told nothing.
            drop(answers.write_all(format!("{answer}\n").as_bytes()));
            if let Some(after) = after {
                self.trap.pass(after);
            }
        }
    }

    fn mint(&self, job: &str, id: &str) -> String {
        let mut books = self.books();
        books.minted += 1;
        let value = format!("sk-{}", books.minted);
        books.good.entry((job.to_owned(), id.to_owned())).or_default().insert(value.clone());
        value
    }

    fn revoke(&self, job: &str, id: &str, value: &str) -> &'static str {
        let mut books = self.books();
        books.asked += 1;
        if !books.mild && books.asked.is_multiple_of(REFUSALS) {
            return "not now";
        }
        for ((_, name), values) in books.good.iter_mut().filter(|((of, _), _)| of == job) {
            if id == "*" || id == name {
                values.retain(|known| value != "*" && value != known);
            }
        }
        self.changed.notify_all();
        "done"
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
