use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that is spoken with in lines of JSON: requests on its stdin, answers and events on its stdout. An answer has
/// the member `answer` or `error`; every other line is an event. The program is killed when the value is dropped; if the
/// test has failed by then, its stderr is printed.
#[derive(Debug)]
pub struct Dialogue {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Events that came while an answer was awaited.
    events: VecDeque<Value>,
    stderr: Arc<Mutex<String>>,
}

impl Dialogue {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Dialogue {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut errors = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&stderr);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Dialogue { name, child, stdin, lines, events: VecDeque::new(), stderr }
    }

    /// Sends a request and returns the member `answer` of its answer.
    ///
    /// # Panics
    /// If the program has ended, takes longer than a minute, or answers with an error.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.try_ask(request).unwrap_or_else(|error| panic!("{} answers {request}: {error}", self.name))
    }

    /// Sends a request. Errors: the member `error` of its answer.
    ///
    /// # Panics
    /// If the program has ended or takes longer than a minute.
    pub fn try_ask(&mut self, request: &Value) -> Result<Value, String> {
        let sent = self.stdin.write_all(format!("{request}\n").as_bytes());
        sent.unwrap_or_else(|error| panic!("{} takes no request: {error}", self.name));
        loop {
            let mut line = self.line();
            if let Some(answer) = line.get_mut("answer") {
                return Ok(answer.take());
            }
            if let Some(error) = line.get("error") {
                return Err(error.as_str().map_or_else(|| error.to_string(), str::to_owned));
            }
            self.events.push_back(line);
        }
    }

    /// Returns the next event.
    ///
    /// # Panics
    /// If the program has ended or is silent for a minute.
    pub fn event(&mut self) -> Value {
        self.events.pop_front().unwrap_or_else(|| self.line())
    }

    /// Returns the next event that has this name in its member `event`, and drops those before it.
    ///
    /// # Panics
    /// As [`Dialogue::event`].
    pub fn await_event(&mut self, name: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == name {
                return event;
            }
        }
    }

    fn line(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{} prints {line:?}: {error}", self.name))
    }

    /// Kills the program.
    pub fn kill(&mut self) {
        // It may already have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("--- stderr of {}\n{stderr}---", self.name);
        }
    }
}
