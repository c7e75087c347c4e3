use std::path::Path;
use std::process::Command;

use super::daemon::Daemon;
use crate::temp_dir::TempDir;

/// A real redis-server on a port of its own. It keeps its data when it is killed and started again.
#[derive(Debug)]
pub struct Redis {
    // Ends before its directory is removed.
    daemon: Option<Daemon>,
    scheme: &'static str,
    port_option: &'static str,
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl Redis {
    /// Starts the system's `redis-server` with these arguments besides address, port and directory, such as
    /// `--requirepass PASSWORD`.
    ///
    /// # Panics
    /// If it is not installed, with a sentence that says what to install, or if it does not start.
    pub fn start(arguments: &[&str]) -> Redis {
        Redis::with_port("redis", "--port", arguments)
    }

    /// Starts a server that speaks only TLS, with a certificate and its key in PEM files. It asks clients for no
    /// certificate unless the arguments say so.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with_tls(certificate: &Path, key: &Path, arguments: &[&str]) -> Redis {
        let path = |path: &Path| path.to_str().expect("the path is UTF-8").to_owned();
        let (certificate, key) = (path(certificate), path(key));
        let mut all = vec!["--port", "0", "--tls-cert-file", &certificate, "--tls-key-file", &key];
        if !arguments.contains(&"--tls-auth-clients") {
            all.extend(["--tls-auth-clients", "no"]);
        }
        all.extend(arguments);
        Redis::with_port("rediss", "--tls-port", &all)
    }

    fn with_port(scheme: &'static str, port_option: &'static str, arguments: &[&str]) -> Redis {
        let directory = TempDir::new();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (port, daemon) = Daemon::on_free_port(|port| launch(&directory, port_option, port, &arguments));
        Redis { daemon: Some(daemon), scheme, port_option, port, arguments, directory }
    }

    /// Returns the URL of database 0, `redis://127.0.0.1:<port>/0`, without a password; with TLS, `rediss://…`.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/0", self.scheme, self.port)
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

    /// Starts the server again on its port, with its arguments and its data; kills it before if it runs.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let started = launch(&self.directory, self.port_option, self.port, &self.arguments);
        self.daemon = Some(started.unwrap_or_else(|output| panic!("redis-server does not start again:\n{output}")));
    }
}

/// Every write is in the system's hands before it is answered, so that a killed server loses nothing.
fn launch(directory: &TempDir, port_option: &str, port: u16, arguments: &[String]) -> Result<Daemon, String> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "no", "--dir"]);
    command.arg(directory.file("")).args([port_option, &port.to_string()]).args(arguments);
    let advice = "install it (Debian and Ubuntu: the package redis-server; NUNCIO_PEERS=off skips these tests)";
    Daemon::start(command, "Ready to accept connections", advice)
}
