//! The token, and lost connections.

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::runtime::{NEWER_TOKEN, Running, Runtime, TOKEN};

#[test]
fn the_token_may_be_in_a_file_and_flags_take_precedence() {
    let runtime = Runtime::start();
    let path = runtime.path("token");
    fs::write(&path, "tok-alice\n").unwrap();
    private(&path);
    let mut command = runtime.command(&["submit", "echo", "--token-file", &path]);
    let output = command.env("NUNCIO_TOKEN", "wrong").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let mut command = runtime.command(&["submit", "echo"]);
    let output = command.env_remove("NUNCIO_TOKEN").env("NUNCIO_TOKEN_FILE", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("chmod"));
}

#[test]
fn a_missing_token_is_invalid_usage() {
    let runtime = Runtime::start();
    let output = runtime.command(&["jobs"]).env_remove("NUNCIO_TOKEN").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("NUNCIO_TOKEN"));
    let empty = runtime.path("empty");
    fs::write(&empty, "\n").unwrap();
    for (file, advice) in [("/no/such/file", "cannot read"), (&empty, "no token in")] {
        let done = runtime.run(&["jobs", "--token-file", file]);
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.contains(advice), "{}", done.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_token_file_that_others_can_read_is_reported() {
    let runtime = Runtime::start();
    let path = runtime.path("token");
    fs::write(&path, "tok-alice").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let done = runtime.run(&["jobs", "--token-file", &path]);
    assert_eq!(done.code, Some(0));
    assert!(done.stderr.contains("chmod 600"), "{}", done.stderr);
}

#[test]
fn a_token_is_never_printed() {
    let runtime = Runtime::start();
    for arguments in [&["submit", "--help"][..], &["jobs", "--help"], &["submit", "echo"], &["submit", "nobody"]] {
        let mut command = runtime.command(arguments);
        let output = command.env("RUST_LOG", "trace,tungstenite=trace").output().unwrap();
        for text in [output.stdout, output.stderr] {
            assert!(!String::from_utf8_lossy(&text).contains("tok-alice"), "{arguments:?}");
        }
    }
}

#[test]
fn credentials_of_a_job_are_never_printed() {
    let runtime = Runtime::start();
    for flags in [&[][..], &["--json"]] {
        let submit = ["submit", "rotates", "--lease", r#"{"model.use":["*"]}"#];
        let done = runtime.run(&[&submit, flags].concat());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let shown = format!("{}{}", done.stdout, done.stderr);
        assert!(shown.contains("credential_rotated") && shown.contains("cred_1"), "{shown}");
        assert!(!shown.contains("sk-"), "{shown}");
    }
}

#[test]
fn an_unreachable_runtime_is_6_and_says_what_to_check() {
    let runtime = Runtime::start();
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for command in [&["submit", "echo"][..], &["jobs"], &["tail", "job_1"], &["cancel", "job_1"]] {
        let done = runtime.run(&[command, &["--url", &format!("ws://{free}/arcp")]].concat());
        assert_eq!(done.code, Some(6), "{command:?}");
        assert!(done.stderr.contains("--url"), "{}", done.stderr);
    }
}

#[test]
fn a_runtime_that_does_not_answer_is_reported_while_the_command_waits() {
    let runtime = Runtime::start();
    // Connections are made, and nobody accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/arcp", silent.local_addr().unwrap());
    let start = |command: &[&str]| runtime.start_command(&[command, &["--url", &url]].concat());
    let quiet = [start(&["submit", "echo", "--quiet"]), start(&["tail", "job_1", "--quiet"])];
    let loud = [&["submit", "echo"][..], &["jobs"], &["cancel", "job_1"], &["tail", "job_1"]].map(start);
    for mut command in loud {
        command.until(&format!("nuncio: {url} does not answer yet; still waiting"));
        command.interrupt();
    }
    // They have waited for longer than the others.
    for command in quiet {
        command.interrupt();
        let done = command.end();
        assert!(!done.stderr.contains("does not answer yet"), "{}", done.stderr);
    }
}

#[test]
fn a_lost_connection_is_reported_and_restored() {
    for flags in [&[][..], &["--json"]] {
        let runtime = Runtime::start();
        let proxy = Proxy::start(runtime.listening.address());
        let mut running = through(&proxy, &runtime, flags);
        proxy.cut();
        if flags.is_empty() {
            running.until("connection lost");
            running.until("session resumed");
        } else {
            running.read_out(r#""state":"lost""#);
            running.read_out(r#""state":"resumed""#);
        }
        runtime.gate.open(1);
        assert_eq!(running.end().code, Some(0));
    }
}

#[test]
fn a_command_that_watches_says_that_the_connection_is_lost_and_restored() {
    let runtime = Runtime::start();
    let question = r#"[{"prompt":"Send it?"}]"#;
    let mut asking = runtime.start_command(&["submit", "asks", "--input", question]);
    let job = asking.accepted();
    asking.until("x-vendor.nuncio.question");
    let proxy = Proxy::start(runtime.listening.address());
    for (arguments, shown) in [
        (&["top", "--interval", "100ms"][..], "1 running"),
        (&["jobs", "--watch=100ms"], &*job),
        (&["jobs", "--watch=100ms", "--json"], &*job),
        (&["questions", "--watch=100ms"], "Send it?"),
    ] {
        let mut running = watching(&proxy, &runtime, arguments);
        running.read_out(shown);
        proxy.cut();
        running.until("connection lost, reconnecting");
        running.until("connection restored");
        running.interrupt();
        assert_eq!(running.end().code, Some(0), "{arguments:?}");
    }
    let mut running = watching(&proxy, &runtime, &["wait", &job]);
    running.until("the job is subscribed to");
    proxy.cut();
    running.until("connection lost, reconnecting");
    running.until("connection restored");
    running.interrupt();
    assert_eq!(running.end().code, Some(130));
}

#[test]
fn a_command_that_watches_says_that_a_runtime_without_a_journal_was_restarted() {
    let (runtime, other) = (Runtime::start(), Runtime::start());
    for arguments in [&["top", "--interval", "100ms"][..], &["jobs", "--watch=100ms", "--all"]] {
        let proxy = Proxy::start(runtime.listening.address());
        let mut running = watching(&proxy, &runtime, arguments);
        running.until("the session is live");
        proxy.redirect(other.listening.address());
        proxy.cut();
        let done = running.end();
        assert_eq!(done.code, Some(6), "{}", done.stderr);
        assert!(done.stderr.contains("the runtime no longer has this session"), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn what_has_happened_since_a_resume_comes_after_the_line_that_says_so() {
    let runtime = Runtime::start();
    let proxy = Proxy::start(runtime.listening.address());
    let mut running = through(&proxy, &runtime, &[]);
    proxy.refuse();
    running.until("connection lost");
    runtime.gate.open(1);
    // It has ended when another session is told so.
    let job = runtime.run(&["jobs", "--json"]).lines()[0]["job_id"].as_str().unwrap().to_owned();
    assert_eq!(runtime.run(&["wait", &job]).code, Some(0));
    proxy.accept();
    let done = running.end();
    assert_eq!(done.code, Some(0));
    let (_, after) = done.stderr.split_once("connection lost").unwrap();
    let restored = after.find("session resumed").unwrap_or_else(|| panic!("{after}"));
    assert!(restored < after.find("the job succeeded").unwrap(), "{after}");
    assert!(after.find(" #").is_none_or(|event| restored < event), "{after}");
}

#[test]
fn a_lost_session_is_6() {
    let (runtime, other) = (Runtime::start(), Runtime::start());
    let proxy = Proxy::start(runtime.listening.address());
    let running = through(&proxy, &runtime, &[]);
    proxy.redirect(other.listening.address());
    proxy.cut();
    let done = running.end();
    assert_eq!(done.code, Some(6), "{}", done.stderr);
    assert!(done.stderr.contains("nuncio tail"), "{}", done.stderr);
    runtime.gate.open(1);
}

#[test]
fn a_token_file_is_read_again_when_the_token_is_refused() {
    for newer in [true, false] {
        let runtime = Runtime::start();
        let proxy = Proxy::start(runtime.listening.address());
        let path = runtime.path("token");
        fs::write(&path, TOKEN).unwrap();
        private(&path);
        let mut running = through(&proxy, &runtime, &["--token-file", &path]);
        runtime.expire_tokens();
        if newer {
            fs::write(&path, NEWER_TOKEN).unwrap();
        }
        proxy.cut();
        if newer {
            running.until("session resumed");
        }
        runtime.gate.open(1);
        let done = running.end();
        assert_eq!(done.code, Some(if newer { 0 } else { 6 }), "{}", done.stderr);
        assert!(done.stderr.contains("UNAUTHENTICATED"), "{}", done.stderr);
    }
}

/// A job that waits, followed through the proxy.
fn through(proxy: &Proxy, runtime: &Runtime, flags: &[&str]) -> Running {
    let mut command = runtime.command(&[&["submit", "waits"], flags].concat());
    command.env("NUNCIO_URL", format!("ws://{}/arcp", proxy.address));
    let mut running = Running::of(command);
    if flags.contains(&"--json") {
        running.read_out("\"waiting\"");
    } else {
        running.until("waiting");
    }
    running
}

/// A command that talks to the runtime through the proxy, and logs what its client does.
fn watching(proxy: &Proxy, runtime: &Runtime, arguments: &[&str]) -> Running {
    let mut command = runtime.command(arguments);
    command.env("NUNCIO_URL", format!("ws://{}/arcp", proxy.address)).env("RUST_LOG", "info");
    Running::of(command)
}

fn private(path: &str) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    #[cfg(not(unix))]
    let _ = path;
}

/// A TCP proxy that can cut its connections.
struct Proxy {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
    to: Arc<Mutex<SocketAddr>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy { address, refuses: Arc::default(), to: Arc::new(Mutex::new(to)), open: Arc::default() };
        let (to, open, refuses) = (Arc::clone(&proxy.to), Arc::clone(&proxy.open), Arc::clone(&proxy.refuses));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(*to.lock().unwrap()).unwrap();
                for (mut from, mut into) in [(&near, &far), (&far, &near)].map(|(a, b)| (copy(a), copy(b))) {
                    std::thread::spawn(move || {
                        // Ends when either side does.
                        drop(io::copy(&mut from, &mut into));
                        drop(into.shutdown(Shutdown::Both));
                    });
                }
                open.lock().unwrap().extend([near, far]);
            }
        });
        proxy
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            // Fails if the other side has closed it.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Cuts the connections, and closes new ones at once until [`Proxy::accept`].
    fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
        self.cut();
    }

    fn accept(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    fn redirect(&self, to: SocketAddr) {
        *self.to.lock().unwrap() = to;
    }
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().unwrap()
}
