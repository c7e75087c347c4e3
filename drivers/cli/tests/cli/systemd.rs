//! What `nuncio serve` tells systemd.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::support::{Serving, nuncio, send, stderr, stdout};

/// The end of systemd.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at_path(folder: &Path) -> Manager {
        let path = folder.join("notify");
        let name = path.to_str().expect("a path that is text").to_owned();
        Manager { socket: UnixDatagram::bind(&path).expect("a socket"), name }
    }

    fn abstract_named(name: &str) -> Manager {
        let name = format!("nuncio-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        Manager { socket: UnixDatagram::bind_addr(&address).expect("a socket"), name: format!("@{name}") }
    }

    /// Starts a server for it.
    fn serve(&self, variables: &[(&str, &str)]) -> Serving {
        let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--token", "t=me"]);
        command.args(["--agent", "environment=env", "--result", "environment=stdout"]);
        command.env("NOTIFY_SOCKET", &self.name).envs(variables.iter().copied());
        Serving::of(command)
    }

    /// Returns the next message.
    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..length].to_vec()).expect("a text")
    }
}

fn has(message: &str, line: &str) -> bool {
    message.lines().any(|found| found == line)
}

#[test]
fn systemd_is_told_of_the_start_of_reloads_and_of_the_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    for manager in [Manager::at_path(folder.path()), Manager::abstract_named("start")] {
        let serving = manager.serve(&[]);
        let ready = manager.next();
        assert!(has(&ready, "READY=1") && has(&ready, &format!("STATUS=Serving {}", serving.url)), "{ready}");
        assert!(serving.submit("t", &["echo"]).status.success(), "it listens when it says so");

        send("HUP", &serving.child);
        let reloading = manager.next();
        assert!(has(&reloading, "RELOADING=1"), "{reloading}");
        let at = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(at.is_some_and(|at| at.parse::<u64>().is_ok_and(|at| at > 0)), "{reloading}");
        assert!(has(&manager.next(), "READY=1"));

        send("TERM", &serving.child);
        let stopping = manager.next();
        assert!(has(&stopping, "STOPPING=1"), "{stopping}");
        // 10 s for jobs, 5 s for programs, and 10 s more.
        assert!(has(&stopping, "EXTEND_TIMEOUT_USEC=25000000"), "{stopping}");
        assert_eq!(serving.ended().0, Some(0));
    }
}

#[test]
fn systemd_is_told_that_a_server_is_alive() {
    let manager = Manager::abstract_named("alive");
    let serving = manager.serve(&[("WATCHDOG_USEC", "200000")]);
    assert!(has(&manager.next(), "READY=1"));
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    send("TERM", &serving.child);
    while !has(&manager.next(), "STOPPING=1") {}
    assert_eq!(serving.ended().0, Some(0));
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let manager = Manager::abstract_named("other");
    let own = std::process::id().to_string();
    let serving = manager.serve(&[("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", &own)]);
    assert!(has(&manager.next(), "READY=1"));
    assert!(serving.submit("t", &["echo"]).status.success());
    send("TERM", &serving.child);
    assert!(has(&manager.next(), "STOPPING=1"));
}

#[test]
fn programs_do_not_report_to_systemd() {
    let manager = Manager::abstract_named("programs");
    let serving = manager.serve(&[("WATCHDOG_USEC", "60000000"), ("FOR_PROGRAMS", "yes")]);
    let output = serving.submit("t", &["environment"]);
    let environment = stdout(&output);
    assert!(environment.contains("FOR_PROGRAMS=yes"), "{environment}{}", stderr(&output));
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!environment.contains(variable), "{environment}");
    }
}

#[test]
fn a_server_serves_even_if_systemd_cannot_be_told() {
    for name in ["/nowhere/notify", "vsock:2:1"] {
        let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--token", "t=me"]);
        command.env("NOTIFY_SOCKET", name);
        let mut serving = Serving::of(command);
        serving.until("warning");
        assert!(serving.submit("t", &["echo"]).status.success());
    }
}
