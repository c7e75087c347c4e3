//! Runs the binary.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};

pub(crate) fn nuncio(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuncio"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "NUNCIO_URL",
        "NUNCIO_CONTEXT",
        "NUNCIO_TOKEN",
        "NUNCIO_TOKENS",
        "NUNCIO_CONFIG",
        "NUNCIO_CAP",
        "NUNCIO_CAP_REDIS",
        "NUNCIO_CARACAL_APPLICATIONS",
        "CARACAL_COORDINATOR_URL",
        "CARACAL_STS_URL",
        "CARACAL_ZONE_ID",
        "CARACAL_APPLICATION_ID",
        "CARACAL_APP_CLIENT_SECRET",
        "CARACAL_APP_CLIENT_SECRET_FILE",
        "CARACAL_SUBJECT_TOKEN",
        "CARACAL_BOOTSTRAP_TOKEN",
        "CARACAL_ENV",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    // The contexts of whoever runs the tests are not used.
    command.env("XDG_CONFIG_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-contexts"));
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    nuncio(arguments).output().expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("stdout is text")
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("stderr is text")
}

/// A `nuncio serve` on a free port, which ends with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
    errors: Receiver<String>,
    pub(crate) url: String,
    /// The token that the server generated, if it did.
    pub(crate) generated: Option<String>,
}

impl Serving {
    pub(crate) fn start(arguments: &[&str]) -> Serving {
        let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents"]);
        command.args(arguments);
        Serving::of(command)
    }

    /// Starts a server with the command.
    pub(crate) fn of(mut command: Command) -> Serving {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let errors = lines(child.stderr.take().expect("stderr is piped"));
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut generated = None;
        loop {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).expect("a line"), 0, "it ended before it was ready");
            match line.trim_end().split_once(' ') {
                Some(("TOKEN", token)) => generated = Some(token.to_owned()),
                Some(("READY", url)) => {
                    let url = url.to_owned();
                    return Serving { child, out, errors, url, generated };
                }
                _ => panic!("unexpected line {line:?}"),
            }
        }
    }

    pub(crate) fn submit(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = nuncio(&["submit", "--url", &self.url, "--token", token]);
        command.args(arguments).output().expect("the binary runs")
    }

    /// Waits for a line on stderr that contains `what`.
    pub(crate) fn until(&mut self, what: &str) -> String {
        loop {
            let line = self.errors.recv().expect("the line is printed before the end");
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Waits for the address of metrics, as HOST:PORT.
    pub(crate) fn metrics(&mut self) -> String {
        let said = self.until("metrics on http://");
        let (_, url) = said.split_once("http://").expect("a URL");
        url.strip_suffix("/metrics").expect("the path of metrics").to_owned()
    }

    /// Stops the server. Returns the lines on stderr that were not waited for.
    pub(crate) fn log(mut self) -> Vec<String> {
        send("TERM", &self.child);
        assert!(self.child.wait().expect("it ends").success());
        self.errors.iter().collect()
    }

    /// Sends the signal and waits for the end. Returns the exit code and the rest of stdout.
    pub(crate) fn stop(self, signal: &str) -> (Option<i32>, String) {
        send(signal, &self.child);
        self.ended()
    }

    /// Waits for the end. Returns the exit code and the rest of stdout.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("stdout is text");
        (status.code(), rest)
    }
}

/// The lines of stderr, which are also printed with the test's own output.
fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            // Fails once the test no longer reads them.
            drop(sender.send(line));
        }
    });
    receiver
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Fails if it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn send(signal: &str, child: &Child) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.expect("sh runs").success(), "the signal was sent");
}

/// Returns the answer to a GET request, with its head.
pub(crate) fn http(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
