//! SIGHUP, closed terminals and files that change, of the commands that serve.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Serving, nuncio, send, stderr};

/// A temporary folder with files that the test replaces.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    /// Replaces a file as a whole, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        let next = self.0.path().join("next");
        fs::write(&next, text).expect("a file");
        fs::rename(next, &path).expect("it is renamed");
        path.to_str().expect("a path that is text").to_owned()
    }

    /// Replaces the certificate and the key by new ones for this machine.
    fn certificate(&self) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        (self.file("cert.pem", &made.cert.pem()), self.file("key.pem", &made.signing_key.serialize_pem()))
    }
}

#[test]
fn sighup_reads_tokens_and_certificates_again_and_connections_live_on() {
    let folder = Folder::new();
    let tokens = folder.file("tokens", "old=alice\n");
    let (cert, key) = folder.certificate();
    let mut serving = Serving::start(&["--token-file", &tokens, "--tls-cert", &cert, "--tls-key", &key]);
    let input = r#"{"ticks": 300, "tick_ms": 10}"#;
    let mut command = nuncio(&["submit", "--url", &serving.url, "--token", "old", "--ca-file", &cert, "--json"]);
    let mut running = command.args(["slow", "--input", input]).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut events = BufReader::new(running.stdout.take().expect("stdout is piped")).lines();
    let first = events.next().expect("the job is accepted").expect("a line");
    assert!(first.contains("accepted"), "{first}");

    let old = folder.file("old.pem", &fs::read_to_string(&cert).expect("a file"));
    folder.certificate();
    folder.file("tokens", "new=alice\n");
    send("HUP", &serving.child);
    serving.until("tokens, keys and certificates were read again");

    let output = serving.submit("new", &["echo", "--input", "1", "--ca-file", &cert]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(serving.submit("old", &["echo", "--ca-file", &cert]).status.code(), Some(5));
    assert_eq!(serving.submit("new", &["echo", "--ca-file", &old]).status.code(), Some(6));
    let rest: Vec<String> = events.map_while(Result::ok).collect();
    assert!(!rest.iter().any(|line| line.contains("reconnecting")), "the connection of the job was not lost");
    assert!(running.wait().expect("it ends").success(), "{rest:?}");
}

#[test]
fn a_file_that_cannot_be_read_leaves_everything_as_it_was() {
    let folder = Folder::new();
    let tokens = folder.file("tokens", "old=alice\n");
    let (cert, key) = folder.certificate();
    let mut serving = Serving::start(&["--token-file", &tokens, "--tls-cert", &cert, "--tls-key", &key]);
    let old = folder.file("old.pem", &fs::read_to_string(&cert).expect("a file"));
    for (name, text) in [("tokens", "no principal\n"), ("key.pem", "no key\n")] {
        folder.file("tokens", "new=alice\n");
        folder.certificate();
        folder.file(name, text);
        send("HUP", &serving.child);
        let line = serving.until("could not be read again; the previous ones stay in use");
        assert!(line.contains("ERROR"), "{line}");
        let output = serving.submit("old", &["echo", "--input", "1", "--ca-file", &old]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(serving.submit("new", &["echo", "--ca-file", &old]).status.code(), Some(5));
    }
}

#[test]
fn the_configuration_file_is_read_again_and_must_leave_a_way_to_authenticate() {
    let folder = Folder::new();
    let config = folder.file("nuncio.toml", "[security]\ntoken = [\"old=alice\"]\n");
    let mut serving = Serving::start(&["--config", &config]);
    folder.file("nuncio.toml", "[security]\ntoken = [\"new=alice\"]\n");
    send("HUP", &serving.child);
    serving.until("were read again");
    assert!(serving.submit("new", &["echo", "--input", "1"]).status.success());
    assert_eq!(serving.submit("old", &["echo"]).status.code(), Some(5));
    folder.file("nuncio.toml", "");
    send("HUP", &serving.child);
    serving.until("they leave no way to authenticate");
    assert!(serving.submit("new", &["echo", "--input", "1"]).status.success());
}

#[test]
fn with_watch_files_are_read_again_when_they_change() {
    let folder = Folder::new();
    let tokens = folder.file("tokens", "old=alice\n");
    let mut serving = Serving::start(&["--token-file", &tokens, "--watch"]);
    folder.file("tokens", "new=alice\n");
    serving.until("were read again");
    assert!(serving.submit("new", &["echo", "--input", "1"]).status.success());
    // A later change is noticed as well.
    folder.file("tokens", "newer=alice\n");
    serving.until("were read again");
    assert!(serving.submit("newer", &["echo", "--input", "1"]).status.success());
}

#[test]
fn sighup_alone_ends_no_server_and_keeps_a_generated_token() {
    let mut serving = Serving::start(&[]);
    let token = serving.generated.clone().expect("a token was generated");
    send("HUP", &serving.child);
    serving.until("were read again");
    assert!(serving.submit(&token, &["echo", "--input", "1"]).status.success());
    assert_eq!(serving.stop("TERM").0, Some(0));
}

#[test]
fn sighup_ends_a_coordinator_of_caracal_in_order() {
    let arguments =
        ["caracal", "coordinator", "--listen", "127.0.0.1:0", "--zone", "z1", "--application", "app-a=s3cret"];
    assert_eq!(Serving::of(nuncio(&arguments)).stop("HUP").0, Some(0));
}
