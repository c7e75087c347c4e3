//! The issuer of credentials. Its state belongs to the test and survives every server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{KillPoint, ServerProcess};

/// One of this many revocations fails at first.
const REFUSALS: u64 = 5;

pub(crate) struct Issuer {
    state: Mutex<State>,
    changed: Condvar,
    process: Arc<ServerProcess>,
}

#[derive(Default)]
struct State {
    minted: u64,
    asked: u64,
    /// Whether every revocation succeeds.
    lenient: bool,
    /// The valid values, by job and credential.
    valid: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Issuer {
    /// Starts the issuer and returns its address.
    pub(crate) fn open(process: &Arc<ServerProcess>) -> (Arc<Issuer>, String) {
        let issuer =
            Arc::new(Issuer { state: Mutex::default(), changed: Condvar::new(), process: Arc::clone(process) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = Arc::clone(&issuer);
        // The thread ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(stream));
            }
        });
        (issuer, address)
    }

    /// Lets every revocation succeed from now on.
    pub(crate) fn stop_failing(&self) {
        self.state().lenient = true;
    }

    /// Waits until no value is valid any more; returns how many were minted.
    ///
    /// # Panics
    /// If some values are still valid at the deadline.
    pub(crate) fn all_revoked(&self, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        while state.valid.values().any(|values| !values.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            state.valid.retain(|_, values| !values.is_empty());
            assert!(!left.is_zero(), "of {} values these are good for ever: {:?}", state.minted, state.valid);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.minted
    }

    fn serve(&self, stream: TcpStream) {
        let mut answers = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let (before, after, answer) = match words[..] {
                ["mint", job, id] => (KillPoint::Mint, Some(KillPoint::Minted), self.mint(job, id)),
                ["rotate", job, id] => (KillPoint::Rotate, None, self.mint(job, id)),
                ["revoke", job, id, value] => {
                    (KillPoint::Revoke, Some(KillPoint::Revoked), self.revoke(job, id, value).to_owned())
                }
                _ => panic!("the server asks {line:?}"),
            };
            self.process.reached(before);
            // A server that was killed does not receive the answer.
            drop(answers.write_all(format!("{answer}\n").as_bytes()));
            if let Some(after) = after {
                self.process.reached(after);
            }
        }
    }

    fn mint(&self, job: &str, id: &str) -> String {
        let mut state = self.state();
        state.minted += 1;
        let value = format!("sk-{}", state.minted);
        state.valid.entry((job.to_owned(), id.to_owned())).or_default().insert(value.clone());
        value
    }

    fn revoke(&self, job: &str, id: &str, value: &str) -> &'static str {
        let mut state = self.state();
        state.asked += 1;
        if !state.lenient && state.asked.is_multiple_of(REFUSALS) {
            return "not now";
        }
        for ((_, name), values) in state.valid.iter_mut().filter(|((of, _), _)| of == job) {
            if id == "*" || id == name {
                values.retain(|known| value != "*" && value != known);
            }
        }
        self.changed.notify_all();
        "done"
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
