//! The servers of a test, the keys of its components, and the components in processes of their own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};

use nuncio_tests::peers::{Nats, Redis};

use crate::support::{nuncio, run, stderr};

/// A bus, a blob store, and the keys of the members.
pub(crate) struct Site {
    pub(crate) nats: String,
    pub(crate) redis: String,
    pub(crate) folder: tempfile::TempDir,
    servers: Servers,
}

/// What serves the bus and the blob store, until the test ends.
enum Servers {
    Peers {
        _servers: Box<(Nats, Redis)>,
    },
    /// `nuncio cap bus`.
    Own {
        bus: Component,
    },
}

/// A component in a process of its own, which is killed with the test.
pub(crate) struct Component {
    pub(crate) child: Child,
    /// What it writes to stderr.
    lines: Receiver<String>,
}

impl Drop for Component {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Component {
    pub(crate) fn of(mut command: Command) -> Component {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                eprintln!("{line}");
                // Fails once the test no longer reads them.
                drop(sender.send(line));
            }
        });
        Component { child, lines }
    }

    /// Waits for a line on stderr that contains `what`.
    pub(crate) fn until(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv().unwrap_or_else(|_| panic!("the component ended before it said {what:?}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Waits for a line on stderr that contains `what`. Returns the lines before it that were not waited for.
    pub(crate) fn lines_until(&self, what: &str) -> Vec<String> {
        self.lines.iter().take_while(|line| !line.contains(what)).collect()
    }

    /// Waits for the end with this exit code. Returns the lines on stderr that were not waited for.
    pub(crate) fn ended(mut self, code: i32) -> Vec<String> {
        let rest = self.lines.iter().collect();
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{rest:?}");
        rest
    }

    pub(crate) fn signal(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Site {
    pub(crate) fn start() -> Site {
        Site::start_with(&[])
    }

    /// Starts a nats-server with these arguments, and a Redis server.
    pub(crate) fn start_with(nats: &[&str]) -> Site {
        let (nats, redis) = (Nats::start(nats), Redis::start(&[]));
        Site::of(nats.url(), redis.url(), Servers::Peers { _servers: Box::new((nats, redis)) })
    }

    /// Starts `nuncio cap bus`.
    pub(crate) fn on_own_bus() -> Site {
        let bus = Component::of(nuncio(&["cap", "bus", "--listen", "127.0.0.1:0", "--listen-redis", "127.0.0.1:0"]));
        let ready = bus.until("the bus is ready");
        let url = |name: &str| {
            let (_, rest) = ready.split_once(&format!("{name}=")).unwrap();
            rest.split([' ', ';']).next().unwrap().to_owned()
        };
        Site::of(url("NATS_URL"), url("REDIS_URL"), Servers::Own { bus })
    }

    fn of(nats: String, redis: String, servers: Servers) -> Site {
        let site = Site { nats, redis, folder: tempfile::tempdir().unwrap(), servers };
        for id in ["router-1", "worker-1", "client-1"] {
            site.keygen(id);
        }
        site
    }

    pub(crate) fn keygen(&self, id: &str) {
        let made = run(&["cap", "keygen", id, "--dir", self.path("keys").to_str().unwrap()]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    }

    /// Kills the bus of [`Site::on_own_bus`].
    pub(crate) fn kill_bus(&mut self) {
        let Servers::Own { bus } = &mut self.servers else { panic!("it is no bus of the command") };
        bus.child.kill().unwrap();
        bus.child.wait().unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn cap(&self, arguments: &[&str]) -> Command {
        let mut command = nuncio(&["cap"]);
        command.args(arguments).current_dir(self.folder.path());
        command.env("NATS_URL", &self.nats).env("REDIS_URL", &self.redis);
        command
    }

    /// Starts a component and waits until it says that it is ready.
    pub(crate) fn component(&self, arguments: &[&str]) -> Component {
        let component = Component::of(self.cap(arguments));
        component.until("is ready");
        component
    }

    pub(crate) fn router(&self) -> Component {
        self.component(&["router", "--id", "router-1", "--keys", "keys", "--store", "jobs.db"])
    }

    pub(crate) fn worker(&self, topics: &[&str]) -> Component {
        let topics = topics.iter().flat_map(|topic| ["--topic", topic]);
        let arguments: Vec<&str> = ["worker", "--id", "worker-1", "--keys", "keys"].into_iter().chain(topics).collect();
        self.component(&arguments)
    }

    pub(crate) fn submit(&self, arguments: &[&str]) -> Output {
        let mut command = self.cap(&["submit"]);
        command.args(arguments).args(["--id", "client-1", "--keys", "keys"]).output().unwrap()
    }
}

pub(crate) fn script(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// Says that it is half done, and answers with its input.
pub(crate) const ECHO: &str = r#"read input
echo '{"kind": "progress", "body": {"current": 1, "total": 2, "message": "half"}}'
echo "{\"result\": $input}"
"#;
