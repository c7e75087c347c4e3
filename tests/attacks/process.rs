//! The processes of an attack: the server, and the hostile tenant.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

/// A process of this program that ends with its stdin.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// Reads what it prints to stderr, so that it never waits for that.
    errors: Option<JoinHandle<String>>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error is shown as well.
            drop(stderr.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Process { child, stdin, lines: BufReader::new(stdout).lines(), errors: Some(errors) }
    }

    /// Returns the next line that it prints with this word first, without the word. If it ends before, returns how it has ended
    /// and what it has printed to stderr.
    pub(crate) fn line(&mut self, word: &str) -> Result<String, String> {
        while let Some(Ok(line)) = self.lines.next() {
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
        // It may have closed stdout and go on.
        drop(self.child.kill());
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        Err(format!("it has ended without {word} ({status}); its stderr: {}", errors.trim()))
    }

    /// The bytes of memory that the process has.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) << 10
    }

    /// Whether the process runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
