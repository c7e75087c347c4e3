//! A runtime in the test's process, and the commands that talk to it.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nuncio_tokio::arcp::{Credential, Fault, Grant, Listening, Provisioner, Revocation, Secret, Server};
use nuncio_tokio::auth::{Claim, Rejection};
use serde_json::Value;
use tempfile::TempDir;

use super::agents::{self, Gate};

pub(crate) const TOKEN: &str = "tok-alice";
/// Another token of the same principal.
pub(crate) const NEWER_TOKEN: &str = "tok-alice-newer";

/// A runtime with the test's agents, and a temporary folder for what commands save.
pub(crate) struct Runtime {
    pub(crate) gate: Gate,
    expired: Arc<AtomicBool>,
    pub(crate) folder: TempDir,
    pub(crate) listening: Listening,
    _server: Server,
    _threads: tokio::runtime::Runtime,
}

impl Runtime {
    pub(crate) fn start() -> Runtime {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (gate, expired) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let (server, listening) = threads.block_on(async {
            let expired = Arc::clone(&expired);
            let verifier = move |claim: Claim| {
                let principal = match claim.token.expose() {
                    TOKEN if !expired.load(Ordering::SeqCst) => Ok("alice".to_owned()),
                    NEWER_TOKEN => Ok("alice".to_owned()),
                    "tok-bob" => Ok("bob".to_owned()),
                    _ => Err(Rejection::Invalid),
                };
                async move { principal }
            };
            let server = Server::builder().verifier(verifier).provisioner(Issuer);
            let server = agents::add(server, &gate).build().unwrap();
            let listening = server.listen("127.0.0.1:0").await.unwrap();
            (server, listening)
        });
        Runtime { gate, expired, folder: TempDir::new().unwrap(), listening, _server: server, _threads: threads }
    }

    /// From now on [`TOKEN`] is refused.
    pub(crate) fn expire_tokens(&self) {
        self.expired.store(true, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> &str {
        self.listening.url()
    }

    /// A command whose environment does not depend on that of the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::support::nuncio(arguments);
        for name in ["NUNCIO_TOKEN_FILE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"] {
            command.env_remove(name);
        }
        command.env("NUNCIO_URL", self.url()).env("NUNCIO_TOKEN", TOKEN).env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", self.folder.path()).env("HOME", self.folder.path());
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts a command whose stderr is read line by line.
    pub(crate) fn start_command(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Issues a credential for each job that may use a model.
struct Issuer;

impl Provisioner for Issuer {
    async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
        let has_one = grant.agent.contains("rotates") || grant.agent.contains("waits-with-key");
        let credential = has_one.then(|| Credential {
            id: "cred_1".to_owned(),
            value: Secret::new("sk-first"),
            endpoint: "http://127.0.0.1:9/v1".to_owned(),
            profile: None,
            constraints: None,
        });
        Ok(credential.into_iter().collect())
    }

    async fn revoke(&self, _revocation: &Revocation) -> io::Result<()> {
        Ok(())
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Done {
    /// The lines of stdout as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(read).collect()
    }
}

/// A command that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    errors: BufReader<ChildStderr>,
    seen: String,
    out: Vec<u8>,
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Running { child, errors, seen: String::new(), out: Vec::new() }
    }

    /// Reads stderr to the next line that contains `text`.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.errors.read_line(&mut line).unwrap(), 0, "no {text:?} in {}", self.seen);
            self.seen.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Reads stdout to the next line that contains `text`.
    pub(crate) fn read_out(&mut self, text: &str) -> String {
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap_or_else(|_| panic!("no {text:?} on stdout"));
            match byte {
                [b'\n'] if String::from_utf8_lossy(&line).contains(text) => return String::from_utf8(line).unwrap(),
                [b'\n'] => {
                    self.out.extend(line.drain(..).chain([b'\n']));
                }
                [byte] => line.push(byte),
            }
        }
    }

    /// The job's id, from the line that reports it as accepted.
    pub(crate) fn accepted(&mut self) -> String {
        self.until("accepted ").split(' ').nth(1).unwrap().to_owned()
    }

    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    pub(crate) fn signal(&self, name: &str) {
        crate::support::send(name, &self.child);
    }

    /// Waits for the end, and reads the rest of the output.
    pub(crate) fn end(mut self) -> Done {
        self.errors.read_to_string(&mut self.seen).unwrap();
        let mut stdout = std::mem::take(&mut self.out);
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        Done { code: self.child.wait().unwrap().code(), stdout, stderr: std::mem::take(&mut self.seen) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
