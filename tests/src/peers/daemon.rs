use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// The process of a foreign server that has said that it is ready. It is killed when the value is dropped; if the test
/// has failed by then, its output is printed.
#[derive(Debug)]
pub(super) struct Daemon {
    name: String,
    child: Child,
    log: Arc<Log>,
    /// Closes when the output has ended, and so when the process has.
    ended: Receiver<()>,
}

/// What a server has printed.
#[derive(Debug, Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    fn push(&self, line: &str) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(line);
        text.push('\n');
        drop(text);
        self.grown.notify_all();
    }
}

impl Daemon {
    /// Starts a server and waits for a line of its output that contains `ready`.
    ///
    /// Errors: the output, if the server ends before that.
    ///
    /// # Panics
    /// If the program cannot be started, with the advice, or if the server neither ends nor gets ready.
    pub(super) fn start(mut command: Command, ready: &'static str, advice: &str) -> Result<Daemon, String> {
        let name = format!("{}", command.get_program().display());
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a pipe can be shared")).stderr(writer);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}; {advice}"));
        // The writing end is the child's alone, so that the output ends with it.
        drop(command);

        let log = Arc::new(Log::default());
        let (at_ready, is_ready) = mpsc::channel();
        let (at_end, ended) = mpsc::channel::<()>();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                kept.push(&line);
                if line.contains(ready) {
                    // Only the first time is waited for.
                    let _late = at_ready.send(());
                }
            }
            drop((at_ready, at_end));
        });
        let mut daemon = Daemon { name, child, log, ended };
        match is_ready.recv_timeout(PATIENCE) {
            Ok(()) => Ok(daemon),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                drop(daemon.child.wait());
                Err(daemon.log())
            }
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} does not get ready:\n{}", daemon.name, daemon.log()),
        }
    }

    /// Starts a server on a port that is free and keeps being free for it when it has ended: one below those that the
    /// system gives to outgoing connections and to servers on port 0.
    ///
    /// # Panics
    /// If the server does not start for another reason than that its port is taken.
    pub(super) fn on_free_port(start: impl Fn(u16) -> Result<Daemon, String>) -> (u16, Daemon) {
        let mut attempts = 0;
        loop {
            // The standard library seeds its hashers at random.
            let port = 10_000 + u16::try_from(RandomState::new().hash_one(attempts) % 20_000).expect("less than 2^16");
            match start(port) {
                Ok(daemon) => return (port, daemon),
                Err(output) => {
                    let is_taken = output.to_lowercase().contains("address already in use");
                    assert!(is_taken && attempts < 20, "the server has ended at its start:\n{output}");
                }
            }
            attempts += 1;
        }
    }

    /// Returns what the server has printed so far.
    pub(super) fn log(&self) -> String {
        self.log.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the output contains a text.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub(super) fn await_output(&self, text: &str) {
        let log = self.log.text.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, waited) = self
            .log
            .grown
            .wait_timeout_while(log, PATIENCE, |log| !log.contains(text))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{} does not print {text:?}:\n{log}", self.name);
    }

    /// Asks the server to end (`SIGTERM`) and waits until it has.
    ///
    /// # Panics
    /// If it does not end.
    pub(super) fn stop(mut self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "a signal can be sent to {}", self.name);
        let deadline = Instant::now() + PATIENCE;
        let ended = self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        assert!(ended == Err(mpsc::RecvTimeoutError::Disconnected), "{} does not end", self.name);
        self.child.wait().expect("the server can be waited for");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may already have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- output of {}\n{}---", self.name, self.log());
        }
    }
}
