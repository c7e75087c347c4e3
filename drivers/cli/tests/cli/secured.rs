//! `nuncio serve` with TLS, JSON Web Tokens and metrics.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use crate::support::{Serving, http, nuncio, run, send, stderr, stdout};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use nuncio_tests::peers::{python, wanted};
use serde_json::json;

/// A temporary folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("a path that is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays does not disturb the next run.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A self-signed certificate for this machine, and its key.
fn certificate(folder: &Folder) -> (String, String) {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a certificate");
    (folder.file("cert.pem", &made.cert.pem()), folder.file("key.pem", &made.signing_key.serialize_pem()))
}

const SECRET: &str = "a secret that is long enough for HS256";

fn token(principal: &str, expires_in: i64) -> String {
    signed(SECRET, principal, expires_in)
}

fn signed(secret: &str, principal: &str, expires_in: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({"sub": principal, "aud": "nuncio", "exp": i64::try_from(now).expect("a time") + expires_in});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()).expect("a secret"))
        .expect("a token")
}

#[test]
fn a_certificate_of_an_authority_is_explained() {
    let folder = Folder::new("authority");
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    // As `openssl req -x509` makes it.
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let (cert, key) = (folder.file("cert.pem", &made.pem()), folder.file("key.pem", &key.serialize_pem()));
    let flags = ["--token", "t=me", "--tls-cert", &cert, "--tls-key", &key];
    let mut serving = Serving::start(&flags);
    let checked = run(&[&["serve", "--demo-agents", "--listen", "127.0.0.1:0", "--check"], &flags[..]].concat());
    for warning in [serving.until("warning: --tls-cert"), stderr(&checked).to_owned()] {
        assert!(warning.contains("CA:TRUE") && warning.contains("basicConstraints=critical,CA:FALSE"), "{warning}");
    }
    for trust in [&[][..], &["--ca-file", &cert]] {
        let output = serving.submit("t", &[&["echo"], trust].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(said.contains("CA:TRUE") && said.contains("basicConstraints=critical,CA:FALSE"), "{said}");
        assert!(!said.contains("OtherError") && !said.contains("is running there"), "{said}");
    }
}

#[test]
fn a_url_with_the_wrong_scheme_for_tls_is_explained_and_named() {
    let folder = Folder::new("scheme");
    let (cert, key) = certificate(&folder);
    let secured = Serving::start(&["--token", "t=me", "--tls-cert", &cert, "--tls-key", &key]);
    let plain = Serving::start(&["--token", "t=me"]);
    let cases = [
        (secured.url.replace("wss://", "ws://"), "seems to speak TLS at this port; try a wss:// URL"),
        (plain.url.replace("ws://", "wss://"), "does not speak TLS at this port"),
        (secured.url.clone(), "no trusted authority has signed it"),
    ];
    for (url, expected) in cases {
        let output = run(&["jobs", "--token", "t", "--url", &url]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(said.starts_with(&format!("nuncio: {url}: ")), "{said}");
        assert!(said.contains(expected) && !said.contains("is running there"), "{said}");
    }
}

#[test]
fn tls_and_json_web_tokens() {
    let folder = Folder::new("secured");
    let (cert, key) = certificate(&folder);
    let secret = folder.file("secret", SECRET);
    let jwt = ["--jwt-secret-file", &secret, "--jwt-audience", "nuncio"];
    let serving = Serving::start(&[&["--tls-cert", &cert, "--tls-key", &key][..], &jwt].concat());
    assert!(serving.url.starts_with("wss://"), "{}", serving.url);
    let good = token("me@example.com", 600);
    let output = serving.submit(&good, &["echo", "--input", "1", "--ca-file", &cert]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains('1'));

    let untrusted = serving.submit(&good, &["echo"]);
    assert_eq!(untrusted.status.code(), Some(6), "{}", stderr(&untrusted));
    let said = stderr(&untrusted);
    assert!(said.contains("no trusted authority has signed it"), "the library says what is wrong: {said}");
    assert!(said.contains("with --ca-file"), "the command says which option helps: {said}");
    for bad in [token("me@example.com", -600), "no token".to_owned()] {
        let refused = serving.submit(&bad, &["echo", "--ca-file", &cert]);
        assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains(&bad), "a token is never shown");
    }
}

#[cfg(unix)]
#[test]
fn sighup_reads_the_key_of_json_web_tokens_again() {
    const NEXT: &str = "another secret that is long enough for HS256";
    let folder = Folder::new("rotated");
    let secret = folder.file("secret", SECRET);
    let mut serving = Serving::start(&["--jwt-secret-file", &secret, "--jwt-audience", "nuncio"]);
    let (old, new) = (token("me", 600), signed(NEXT, "me", 600));
    assert!(serving.submit(&old, &["echo"]).status.success());
    assert_eq!(serving.submit(&new, &["echo"]).status.code(), Some(5));
    folder.file("secret", NEXT);
    send("HUP", &serving.child);
    serving.until("tokens, keys and certificates were read again");
    assert_eq!(serving.submit(&old, &["echo"]).status.code(), Some(5));
    assert!(serving.submit(&new, &["echo"]).status.success());
}

#[test]
fn a_handshake_that_fails_leaves_a_line() {
    let folder = Folder::new("handshake");
    let (cert, key) = certificate(&folder);
    let serving = Serving::start(&["--token", "t=me", "--tls-cert", &cert, "--tls-key", &key]);
    let address = serving.url.strip_prefix("wss://").and_then(|rest| rest.split('/').next()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let log = serving.log();
    let lines: Vec<&String> = log.iter().filter(|line| line.contains("a connection was not opened")).collect();
    assert_eq!(lines.len(), 1, "{log:#?}");
    assert!(lines[0].contains("peer=127.0.0.1:"), "{lines:?}");
}

#[test]
fn a_missing_client_certificate_is_reported_with_the_options_that_give_one() {
    let folder = Folder::new("mutual");
    let (cert, key) = certificate(&folder);
    let serving = Serving::start(&["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &cert]);
    let output = serving.submit("-", &["echo", "--ca-file", &cert]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("requires a client certificate"), "the library says what is wrong: {said}");
    assert!(said.contains("with --client-cert and --client-key"), "the command says which options help: {said}");
}

#[test]
fn tls_and_json_web_tokens_with_the_python_client() {
    if !wanted("tls_and_json_web_tokens_with_the_python_client") {
        return;
    }
    let folder = Folder::new("python-tls");
    let (cert, key) = certificate(&folder);
    let secret = folder.file("secret", SECRET);
    let jwt = ["--jwt-secret-file", &secret, "--jwt-audience", "nuncio"];
    let serving = Serving::start(&[&["--tls-cert", &cert, "--tls-key", &key][..], &jwt].concat());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/python_tls.py");
    let mut command = std::process::Command::new(python());
    command.args([script, &serving.url.replace("127.0.0.1", "localhost"), &token("me@example.com", 600)]);
    let output = command.env("SSL_CERT_FILE", &cert).output().expect("python runs");
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&output).trim(), r#"{"echoed": {"n": 1}}"#);
}

#[test]
fn a_check_says_what_a_start_would_say_of_tls() {
    let folder = Folder::new("checked");
    let (cert, key) = certificate(&folder);
    let ports = ["--listen", "0.0.0.0:0", "--console", "0.0.0.0:0", "--metrics", "0.0.0.0:0"];
    let check =
        |more: &[&str]| run(&[&["serve", "--demo-agents", "--token", "t=p", "--check"], &ports[..], more].concat());
    let metrics = "nuncio: warning: other machines can read the metrics, which no password protects\n";
    let plain = check(&[]);
    assert!(stdout(&plain).contains("tls      none\n"), "{}", stdout(&plain));
    for what in ["can connect without TLS", "can open the console without TLS"] {
        assert!(
            stderr(&plain).contains(&format!("nuncio: warning: other machines {what}, so tokens")),
            "{}",
            stderr(&plain)
        );
    }
    assert!(stderr(&plain).contains(metrics), "{}", stderr(&plain));
    for line in ["console  0.0.0.0:0\n", "metrics  0.0.0.0:0\n"] {
        assert!(stdout(&plain).contains(line), "{}", stdout(&plain));
    }
    let secured = check(&["--tls-cert", &cert, "--tls-key", &key]);
    assert!(stdout(&secured).contains(&format!("tls      with the certificate {cert}\n")), "{}", stdout(&secured));
    assert_eq!(stderr(&secured), metrics);
}

#[test]
fn a_check_finds_errors_in_security_options() {
    let folder = Folder::new("unsecured");
    let (cert, key) = certificate(&folder);
    let text = folder.file("text", "no key");
    let others = Folder::new("unsecured-other");
    let (_, other) = certificate(&others);
    let cases: [(&[&str], &str); 7] = [
        (&["--tls-cert", &cert, "--tls-key", &other], "the key is not the one that the certificate was made for"),
        (&["--tls-cert", &cert], "--tls-key"),
        (&["--tls-cert", &text, "--tls-key", &key], "--tls-cert"),
        (&["--jwt-secret-file", "/nonexistent"], "--jwt-secret-file"),
        (&["--jwt-audience", "x"], "--jwt-secret-file, --jwt-key or --jwt-jwks"),
        (&["--client-cert-optional"], "--client-cert-optional needs --client-ca"),
        (&["--client-principal", "dns"], "--client-principal needs --client-ca"),
    ];
    for (flags, expected) in cases {
        let output = run(&[&["serve", "--demo-agents", "--token", "t=p", "--check"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{flags:?}: {}", stderr(&output));
    }
}

#[test]
fn options_for_json_web_tokens_need_a_key_even_if_a_token_is_generated() {
    let output = run(&["serve", "--demo-agents", "--check", "--jwt-leeway", "5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--jwt-leeway needs a key"), "{}", stderr(&output));
}

#[test]
fn metrics_count_jobs_sessions_and_refusals() {
    let mut serving = Serving::start(&["--token", "t=me", "--metrics", "127.0.0.1:0"]);
    let address = serving.metrics();
    assert!(http(&address, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(http(&address, "/readyz").ends_with("ready\n"));
    assert!(http(&address, "/other").starts_with("HTTP/1.1 404"));
    assert!(serving.submit("t", &["echo"]).status.success());
    assert!(!serving.submit("t", &["nobody"]).status.success());
    assert!(!serving.submit("wrong", &["echo"]).status.success());
    let metrics = http(&address, "/metrics");
    for line in [
        "nuncio_jobs_accepted_total 1",
        "nuncio_jobs_ended_total{status=\"success\"} 1",
        "nuncio_jobs{state=\"running\"} 0",
        "nuncio_sessions_opened_total 2",
        "nuncio_refusals_total{code=\"AGENT_NOT_AVAILABLE\"} 1",
        "nuncio_refusals_total{code=\"UNAUTHENTICATED\"} 1",
        "# TYPE nuncio_events_total counter",
        "# HELP nuncio_bytes_held Bytes held by sessions and jobs",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    let counted = |metrics: &str| -> BTreeSet<String> {
        metrics.lines().filter(|line| line.contains("_total")).map(str::to_owned).collect()
    };
    assert_eq!(counted(&http(&address, "/metrics")), counted(&metrics), "a scrape changes nothing");
    let taken = nuncio(&["serve", "--demo-agents", "--token", "t=p", "--listen", "127.0.0.1:0", "--metrics", &address]);
    let output = { taken }.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn a_server_that_drains_is_not_ready() {
    let mut serving = Serving::start(&["--token", "t=me", "--metrics", "127.0.0.1:0", "--drain", "1h"]);
    let address = serving.metrics();
    let slow = ["slow", "--input", r#"{"ticks":1000000}"#, "--detach"];
    assert!(serving.submit("t", &slow).status.success());
    send("TERM", &serving.child);
    serving.until("nuncio: stopping");
    while serving.submit("t", &["echo"]).status.success() {}
    let ready = http(&address, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("stopping\n"), "{ready}");
    assert!(http(&address, "/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!(serving.stop("TERM").0, Some(0), "a second signal ends it at once");
}
