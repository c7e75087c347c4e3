use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A server process that has printed its `READY` line. It is killed when the guard is dropped; if the test has failed
/// by then, the server's stderr is printed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    log: Log,
}

impl Server {
    /// Starts a server and waits up to a minute for its line `READY <url> …` on stdout.
    ///
    /// # Panics
    /// If it cannot be started, or does not print the line in time.
    pub fn start(mut command: Command) -> Self {
        let mut child = spawn(&mut command);
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let lines = lines(child.stdout.take().expect("stdout is piped"));
        let mut server = Self { child, url: String::new(), log };
        let deadline = Instant::now() + Duration::from_mins(1);
        while server.url.is_empty() {
            let line = lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{command:?} did not print READY"));
            server.url = ready(&line).map(str::to_owned).unwrap_or_default();
        }
        server
    }

    /// Returns the URL from the `READY` line, `ws://127.0.0.1:<port>/arcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the host and port of [`Server::url`].
    ///
    /// # Panics
    /// If the URL is not a `ws://` URL.
    pub fn address(&self) -> &str {
        let rest = self.url.strip_prefix("ws://").expect("the server speaks plain WebSocket");
        rest.split('/').next().unwrap_or(rest)
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the server has written to stderr so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Sends the server `SIGINT` and waits up to half a minute until it has ended.
    ///
    /// # Panics
    /// If the signal cannot be sent or the process does not end.
    pub fn interrupt(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "a signal can be sent to the server");
        // The stderr stream ends with the process, so there is no need to poll.
        assert!(self.log.ended_within(Duration::from_secs(30)), "the server does not end on SIGINT");
        self.child.wait().expect("the server can be waited for")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
        if thread::panicking() {
            eprintln!("--- stderr of {}\n{}---", self.url, self.log.text());
        }
    }
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status, or `None` if the program was killed at the time limit.
    pub status: Option<ExitStatus>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl Outcome {
    /// Returns whether the program ended by itself with status 0.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|s| s.success())
    }
}

/// Runs a program until its stdout ends, or kills it after `limit`.
///
/// # Panics
/// If it cannot be started.
pub fn run_to_end(mut command: Command, limit: Duration) -> Outcome {
    let mut child = spawn(&mut command);
    let log = Log::of(child.stderr.take().expect("stderr is piped"));
    let printed = Log::of(child.stdout.take().expect("stdout is piped"));
    let status = if printed.ended_within(limit) {
        Some(child.wait().expect("the program can be waited for"))
    } else {
        end(&mut child);
        None
    };
    Outcome { status, stdout: printed.text(), stderr: log.text() }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

fn end(child: &mut Child) {
    // It may already have ended by itself.
    drop(child.kill());
    drop(child.wait());
}

fn ready(line: &str) -> Option<&str> {
    line.strip_prefix("READY ")?.split_whitespace().next()
}

/// Returns a channel with the lines of a stream; it closes when the stream ends. The stream is read to its end, so that
/// the writer never blocks on it.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // After READY there is no receiver.
            drop(sender.send(line));
        }
    });
    receiver
}

/// A stream that a background thread reads to its end.
#[derive(Debug)]
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Log {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (sender, ended) = mpsc::channel::<()>();
        let kept = Arc::clone(&text);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(buffer.iter().take(n));
            }
            drop(sender);
        });
        Self { text, ended }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Returns whether the stream ends within the limit. Nothing is ever sent: the channel closes when the stream has
    /// ended.
    fn ended_within(&self, limit: Duration) -> bool {
        matches!(self.ended.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}
