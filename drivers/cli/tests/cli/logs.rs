//! The log of `nuncio serve` and of other commands that serve.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Serving, nuncio, run, stderr, stdout};

const TOKEN: [&str; 2] = ["--token", "tok-alice=alice"];

fn serve(more: &[&str]) -> Serving {
    Serving::start(&[&TOKEN[..], more].concat())
}

/// The lines of a log about something.
#[track_caller]
fn about<'a>(log: &'a [String], what: &str) -> Vec<&'a str> {
    log.iter().map(String::as_str).filter(|line| line.contains(what)).collect()
}

/// Submits a job that succeeds, one that fails, one for an agent that there is not, and one with a wrong token.
fn visit(serving: &Serving) {
    let codes = [
        serving.submit("tok-alice", &["echo", "--input", "7"]),
        serving.submit("tok-alice", &["fail"]),
        serving.submit("tok-alice", &["no-such-agent"]),
        serving.submit("wr0ng-token", &["echo"]),
    ]
    .map(|output| output.status.code());
    assert_eq!(codes, [Some(0), Some(1), Some(5), Some(5)]);
}

#[test]
fn submits_ends_refusals_and_wrong_tokens_leave_a_line_each_with_the_address() {
    let serving = serve(&[]);
    visit(&serving);
    let log = serving.log();
    for (what, count) in [
        ("a job was submitted", 2),
        ("the job has ended", 2),
        ("a request was refused", 1),
        ("a client was refused", 1),
    ] {
        let lines = about(&log, what);
        assert_eq!(lines.len(), count, "{what}: {log:#?}");
        assert!(lines.iter().all(|line| line.contains("peer=127.0.0.1:")), "{lines:#?}");
    }
    let [succeeded, failed] = about(&log, "the job has ended")[..] else { panic!("{log:#?}") };
    assert!(succeeded.contains(r#"agent="echo""#) && succeeded.contains(r#"status="success""#), "{succeeded}");
    assert!(failed.contains(r#"status="error""#) && failed.contains(r#"code="INTERNAL_ERROR""#), "{failed}");
    assert!(succeeded.contains(r#"principal="alice""#) && succeeded.contains("session=sess_"), "{succeeded}");
    assert!(about(&log, "a request was refused")[0].contains("AGENT_NOT_AVAILABLE"), "{log:#?}");
    let wrong = about(&log, "a client was refused")[0];
    assert!(wrong.contains("WARN") && wrong.contains("UNAUTHENTICATED"), "{wrong}");
    assert!(!log.concat().contains("wr0ng-token") && !log.concat().contains("tok-alice"), "no token is logged");
}

#[test]
fn an_answered_question_leaves_a_line_with_its_id_and_who_has_answered() {
    let ask = r#"asks=sh -c 'read -r input; echo "{\"ask\":{\"prompt\":\"Send it?\"}}"; read -r answer; echo "{\"result\":1}"'"#;
    let serving = serve(&["--agent", ask]);
    let submitted = serving.submit("tok-alice", &["asks", "--detach", "--quiet"]);
    let job = stdout(&submitted).trim();
    let questions = ["questions", "--watch=10ms", "--url", &serving.url, "--token", "tok-alice"];
    let mut watching = nuncio(&questions).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(job)), "the question is listed");
    watching.kill().unwrap();
    watching.wait().unwrap();
    let answered = run(&["answer", job, "yes", "--url", &serving.url, "--token", "tok-alice"]);
    assert_eq!(answered.status.code(), Some(0), "{}", stderr(&answered));
    let waited = run(&["wait", job, "--url", &serving.url, "--token", "tok-alice"]);
    assert_eq!(waited.status.code(), Some(0), "{}", stderr(&waited));
    let log = serving.log();
    let [line] = about(&log, "a question has ended")[..] else { panic!("{log:#?}") };
    assert!(line.contains(r#"question="q1""#) && line.contains(r#"by="alice""#), "{line}");
}

#[test]
fn a_log_of_json_has_an_object_on_every_line() {
    let serving = serve(&["--log-format", "json"]);
    visit(&serving);
    let log = serving.log();
    // What the command itself says is for people, as always.
    let lines: Vec<Value> = log
        .iter()
        .filter(|line| !line.starts_with("nuncio: "))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |message: &str| lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{log:#?}"));
    let submitted = of("a job was submitted");
    assert_eq!((&submitted["agent"], &submitted["principal"]), (&"echo".into(), &"alice".into()));
    assert!(submitted["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{submitted}");
    assert_eq!((&submitted["level"], &of("a client was refused")["level"]), (&"INFO".into(), &"WARN".into()));
    assert!(submitted["timestamp"].is_string() && of("the job has ended")["took_ms"].is_u64());
}

#[test]
fn the_level_is_that_of_the_flag_or_the_file_or_rust_log() {
    let serving = serve(&["--log-level", "warn"]);
    visit(&serving);
    let log = serving.log();
    assert_eq!((about(&log, " INFO ").len(), about(&log, "a client was refused").len()), (0, 1), "{log:#?}");

    let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--log-level", "error"]);
    command.args(TOKEN).env("RUST_LOG", "trace");
    let serving = Serving::of(command);
    visit(&serving);
    let log = serving.log();
    assert!(log.iter().all(|line| line.starts_with("nuncio: ")), "the flag precedes RUST_LOG: {log:#?}");

    let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents"]);
    command.args(TOKEN).env("RUST_LOG", "nuncio_shared::arcp::server::log=info");
    let serving = Serving::of(command);
    visit(&serving);
    let log = serving.log();
    assert!(about(&log, "listening").is_empty() && about(&log, "a job was submitted").len() == 2, "{log:#?}");

    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/log-settings.toml");
    std::fs::write(path, "log-level = \"off\"\nlog-format = \"json\"\n").unwrap();
    let serving = serve(&["--config", path]);
    visit(&serving);
    let log = serving.log();
    assert!(log.iter().all(|line| line.starts_with("nuncio: ")), "{log:#?}");
    let serving = serve(&["--config", path, "--log-level", "info"]);
    visit(&serving);
    assert!(about(&serving.log(), r#""level":"INFO""#).len() > 2, "flags precede the file");
    assert_eq!(run(&["serve", "--demo-agents", "--log-level", "loud"]).status.code(), Some(2));
}

#[test]
fn requests_that_are_no_connections_leave_a_line() {
    let serving = serve(&[]);
    let address = serving.url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /elsewhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let log = serving.log();
    let lines = about(&log, "a request over HTTP was refused");
    assert_eq!(lines.len(), 1, "{log:#?}");
    assert!(lines[0].contains("peer=127.0.0.1:") && lines[0].contains("status=4"), "{lines:?}");
}

#[test]
fn a_connection_that_ends_with_a_fault_of_its_peer_leaves_a_line() {
    let serving = serve(&[]);
    let address = serving.url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let upgrade = "GET /arcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).unwrap();
    // A frame of text that is not masked, which only servers may send.
    stream.write_all(b"\x81\x02{}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    let log = serving.log();
    let lines = about(&log, "a connection has ended with a fault of its peer");
    assert_eq!(lines.len(), 1, "{log:#?}");
    assert!(lines[0].contains("peer=127.0.0.1:") && lines[0].contains("code=1002"), "{lines:?}");
}
