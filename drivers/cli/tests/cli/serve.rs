//! `nuncio serve` and `nuncio submit` together.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::{Serving, nuncio, run, send, stderr, stdout};

const TOKEN: [&str; 2] = ["--token", "tok-alice=alice"];

#[test]
fn a_submitted_job_returns_its_result() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["echo", "--input", r#"{"a":1}"#]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim_end(), r#"{"echoed":{"a":1}}"#);
    assert!(stderr(&output).contains("echo started"), "{}", stderr(&output));
}

#[test]
fn a_streamed_result_is_on_stdout_byte_for_byte() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["chunks"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "hello world\n");
}

#[test]
fn progress_is_on_stderr() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["progress", "--input", r#"{"n":3}"#]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches(" progress ").count(), 4, "{}", stderr(&output));
}

#[test]
fn on_loopback_a_token_is_generated() {
    let serving = Serving::start(&[]);
    let token = serving.generated.clone().expect("a token is printed");
    assert_eq!(serving.submit(&token, &["echo"]).status.code(), Some(0));
    assert_eq!(serving.submit("another", &["echo"]).status.code(), Some(5));
}

#[test]
fn without_a_token_only_loopback_is_served() {
    let output = run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--token"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn what_other_machines_can_reach_unprotected_is_said() {
    let addresses = ["--listen", "0.0.0.0:0", "--metrics", "0.0.0.0:0"];
    let mut command = nuncio(&["serve", "--token", "tok-alice=alice", "--demo-agents"]);
    command.args(addresses);
    let mut serving = Serving::of(command);
    serving.until("warning: other machines can connect without TLS");
    serving.until("warning: other machines can read the metrics");
}

#[test]
fn a_failed_job_has_its_own_exit_code() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["fail", "--input", r#"{"message":"out of paper"}"#]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("out of paper"), "{}", stderr(&output));
}

#[test]
fn a_refused_submit_has_its_own_exit_code() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["no-such-agent"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("AGENT_NOT_AVAILABLE"), "{}", stderr(&output));
}

#[test]
fn a_wrong_token_is_refused_and_not_shown() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-mallory", &["echo"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("--token"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("tok-mallory"), "{}", stderr(&output));
}

#[test]
fn a_job_that_times_out_has_its_own_exit_code() {
    let serving = Serving::start(&TOKEN);
    let output = serving.submit("tok-alice", &["slow", "--input", r#"{"ticks":1000000}"#, "--max-runtime", "1"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn an_unreachable_runtime_is_an_error() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let output = run(&["submit", "--url", &format!("ws://{free}/arcp"), "--token", "t", "echo"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("--url"), "{}", stderr(&output));
}

#[test]
fn invalid_arguments_are_invalid_usage() {
    let submit = ["submit", "--url", "ws://127.0.0.1:1/arcp", "--token", "t", "echo"];
    assert_eq!(run(&[&submit[..], &["--input", "{"]].concat()).status.code(), Some(2));
    assert_eq!(run(&[&submit[..], &["--max-runtime", "0"]].concat()).status.code(), Some(2));
    assert_eq!(run(&["submit", "--url", "http://127.0.0.1:1", "--token", "t", "echo"]).status.code(), Some(2));
}

#[test]
fn url_and_token_may_come_from_the_environment() {
    let serving = Serving::start(&TOKEN);
    let mut command = nuncio(&["submit", "echo"]);
    let output = command.env("NUNCIO_URL", &serving.url).env("NUNCIO_TOKEN", "tok-alice").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_same_idempotency_key_finds_the_same_job() {
    let serving = Serving::start(&TOKEN);
    let submit = || serving.submit("tok-alice", &["echo", "--idempotency-key", "k"]);
    // Each is submitted in a session of its own.
    let accepted = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("accepted"))?;
        line.split_once(", session ").map(|(job, _)| job.to_owned())
    };
    let (first, second) = (submit(), submit());
    assert_eq!((first.status.code(), second.status.code()), (Some(0), Some(0)));
    assert!(accepted(stderr(&first)).is_some());
    assert_eq!(accepted(stderr(&first)), accepted(stderr(&second)));
}

#[test]
fn no_log_level_shows_a_token() {
    let serving = Serving::start(&TOKEN);
    let mut command = nuncio(&["submit", "--url", &serving.url, "--token", "tok-alice", "echo"]);
    let output = command.env("RUST_LOG", "trace,tungstenite=trace").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("tok-alice"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_job() {
    let serving = Serving::start(&TOKEN);
    let mut command = nuncio(&["submit", "--url", &serving.url, "--token", "tok-alice"]);
    command.args(["slow", "--input", r#"{"ticks":1000000}"#]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    // At the first progress event the job runs, and the command listens for Ctrl-C.
    while !line.contains(" progress ") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "it ended too early");
    }
    send("INT", &child);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("stderr is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(3), "{rest}");
}

#[cfg(unix)]
#[test]
fn signals_stop_a_server() {
    for signal in ["INT", "TERM"] {
        let serving = Serving::start(&TOKEN);
        assert_eq!(serving.stop(signal), (Some(0), String::new()));
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_a_panic() {
    let serving = Serving::start(&TOKEN);
    let script = r#""$0" submit --url "$1" --token tok-alice progress --input '{"n":500}' 2>&1 >/dev/null | head -n 1"#;
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &format!("{script}; echo ${{PIPESTATUS[0]}}"), env!("CARGO_BIN_EXE_nuncio"), &serving.url]);
    let output = command.output().expect("bash runs");
    assert_eq!(stdout(&output).lines().last(), Some("0"), "{}", stderr(&output));
}

#[test]
fn web_pages_of_the_allowed_origins_are_accepted_and_no_others() {
    let origin = ["--allow-origin", "https://console.example"];
    let serving = Serving::start(&[&["--token", "t=me"][..], &origin].concat());
    let address = serving.url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
    for (origin, status) in [("https://console.example", "101"), ("https://elsewhere.example", "403")] {
        let mut stream = TcpStream::connect(address).unwrap();
        let upgrade = format!(
            "GET /arcp HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"), "{origin}");
    }
}

#[test]
fn a_demo_agent_refuses_an_input_that_it_would_ignore() {
    let serving = Serving::start(&["--token", "t=me"]);
    let faults = [
        ("slow", "[1]", "ticks, tick_ms"),
        ("slow", r#"{"tick":3}"#, "ticks, tick_ms"),
        ("slow", r#"{"ticks":"x"}"#, "expected a whole number"),
        ("progress", "7", "an object with n"),
        ("chunks", "[]", "an object with chunks"),
        ("fail", r#"{"cod":"X"}"#, "code, message"),
    ];
    for (agent, input, said) in faults {
        let output = serving.submit("t", &[agent, "--input", input]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{agent} {input}");
        assert!(stderr(&output).contains("INVALID_REQUEST") && stderr(&output).contains(said), "{}", stderr(&output));
    }
    assert_eq!(serving.submit("t", &["slow", "--input", r#"{"ticks":1}"#]).status.code(), Some(0));
}
