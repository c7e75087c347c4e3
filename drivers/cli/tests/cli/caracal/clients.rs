//! `nuncio caracal` over TLS, with a coordinator that does not end its listings, and what it says of what it cannot do.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use super::{TWO, client, coordinator, printed};
use crate::support::{nuncio, stderr};

#[test]
fn a_coordinator_is_served_with_tls() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = (file("cert.pem", &made.cert.pem()), file("key.pem", &made.signing_key.serialize_pem()));
    let serving = coordinator(&["--application", "app-a=s3cret", "--tls-cert", &cert, "--tls-key", &key]);
    assert!(serving.url.starts_with("https://127.0.0.1:"), "{}", serving.url);
    let session = printed(client(&serving, "app-a", &["spawn", "--ca-file", &cert]));
    let listed: Value =
        serde_json::from_str(&printed(client(&serving, "app-a", &["list", "--json", "--ca-file", &cert]))).unwrap();
    assert_eq!(listed["session"], session);

    let untrusted = client(&serving, "app-a", &["list"]).output().unwrap();
    assert_eq!(untrusted.status.code(), Some(6), "{}", stderr(&untrusted));
    assert!(!stderr(&untrusted).contains("s3cret"), "{}", stderr(&untrusted));
    // Plain HTTP is not answered on the socket.
    let mut plain = TcpStream::connect(serving.url.strip_prefix("https://").unwrap()).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // The connection may end before the alert is read.
    let _is_reset = plain.read_to_end(&mut answer).is_err();
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

    let mut command = nuncio(&["caracal", "coordinator", "--listen", "nowhere", "--application", "a=s3cret"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("write --listen as HOST:PORT"), "{}", stderr(&output));
    for (arguments, sentence) in
        [(&["--tls-cert", &cert][..], "--tls-key"), (&["--tls-cert", &key, "--tls-key", &key], "--tls-cert: ")]
    {
        let mut command = nuncio(&["caracal", "coordinator", "--listen", "127.0.0.1:0", "--application", "a=s3cret"]);
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
    }
}

#[test]
fn a_listing_whose_cursor_repeats_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let row = r#"{"id":"s-1","application_id":"a","parent_id":null,"status":"active"}"#;
        let body = format!(r#"{{"items":[{row}],"next_cursor":"again"}}"#);
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 0) {
                if std::mem::take(&mut line) == "\r\n" {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
                }
            }
        }
    });
    let mut command = nuncio(&["caracal", "list", "--coordinator", &url, "--zone", "z1", "--application", "a"]);
    let output = command.env("CARACAL_SUBJECT_TOKEN", "t").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("repeats the cursor"), "{}", stderr(&output));
}

#[test]
fn what_a_client_cannot_do_says_why_without_a_secret() {
    let serving = coordinator(&TWO);
    let session = printed(client(&serving, "app-a", &["spawn"]));
    let theirs = printed(client(&serving, "app-b", &["spawn"]));
    let cases: &[(&[&str], &str, i32, &str)] = &[
        (&["spawn"], "CARACAL_COORDINATOR_URL=", 2, "CARACAL_COORDINATOR_URL is not set"),
        (&["spawn"], "CARACAL_APP_CLIENT_SECRET=", 2, "CARACAL_APP_CLIENT_SECRET_FILE or CARACAL_SUBJECT_TOKEN"),
        (
            &["list"],
            "CARACAL_COORDINATOR_URL=127.0.0.1:4000",
            2,
            "\"127.0.0.1:4000\" of CARACAL_COORDINATOR_URL cannot be",
        ),
        (
            &["list"],
            "CARACAL_STS_URL=here",
            2,
            "\"here\" of CARACAL_STS_URL cannot be used: it must begin with http://",
        ),
        (
            &["list", "--coordinator", "ftp://x"],
            "X=",
            2,
            "of --coordinator cannot be used: it must begin with http:// or",
        ),
        (
            &["list"],
            "CARACAL_COORDINATOR_URL=http://u:s3cret@x",
            2,
            "the URL of CARACAL_COORDINATOR_URL cannot be used",
        ),
        (&["spawn"], "CARACAL_APP_CLIENT_SECRET=wr0ng", 5, "check the zone, the application and its secret"),
        (&["spawn"], "CARACAL_COORDINATOR_URL=http://127.0.0.1:1", 6, "could not be reached"),
        (&["spawn", "--ttl", "25h"], "X=", 2, "1 second to 1 day"),
        (&["list"], "CARACAL_ZONE_ID=other", 5, "refused the exchange: it answered 401"),
        (&["list"], "CARACAL_ZONE_ID=other", 5, "and the URL of the token service with its path"),
        (&["delegate", &session, &session, "--scope", "x"], "X=", 5, "FROM and TO are the same session"),
        (&["delegate", &session, &session, "--scope", ""], "X=", 2, "a value is required for '--scope"),
        (&["delegate", &session, &theirs, "--scope", "x", "--to-application", "app-b"], "X=", 5, "--token-scope"),
        (&["delegate", &theirs, &session, "--scope", "x"], "X=", 5, "FROM has to be a session of --application"),
        (&["list", "--status", "revoked"], "X=", 2, "sessions are active, suspended, terminated, expired"),
        (&["delegate", &session, "nope", "--scope", "x"], "X=", 5, "one of the two sessions is not known"),
        (&["spawn", "--parent", "nope"], "X=", 5, "the session of --parent is not known"),
        (&["revoke", "nope"], "X=", 5, "the edge is not known"),
        (&["terminate", "nope"], "X=", 5, "the coordinator knows no session nope"),
        (&["list", "--status", "actve"], "X=", 2, "active"),
        (&["spawn"], "CARACAL_STS_URL=http://127.0.0.1:1", 6, "the token service does not answer"),
    ];
    for (arguments, variable, code, sentence) in cases {
        let (name, value) = variable.split_once('=').unwrap();
        let output = client(&serving, "app-a", arguments).env(name, value).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?} {variable}: {text}");
        assert!(text.contains(sentence) && !text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
    }
}
