//! The client's commands with the runtime of the Python SDK 1.1.3. With `NUNCIO_PEERS=off` these tests are skipped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use crate::support::{nuncio, stderr, stdout};
use nuncio_tests::peers::{Server, python, wanted};

fn serve(test: &str) -> Option<Server> {
    wanted(test).then(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/py/python_runtime.py");
        let mut command = Command::new(python());
        command.arg(script).args(["--port", "0"]);
        Server::start(command)
    })
}

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = nuncio(arguments);
    command.env("NUNCIO_URL", server.url()).env("NUNCIO_TOKEN", "tok-alice");
    command
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    command(server, arguments).output().expect("the binary runs")
}

#[test]
fn results_and_exit_codes() {
    let Some(server) = serve("results_and_exit_codes") else { return };
    let output = run(&server, &["submit", "echo", "--input", r#"{"a":1}"#]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "{\"echoed\":{\"a\":1}}\n");
    let output = run(&server, &["submit", "chunks"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "hello world"), "{}", stderr(&output));
    let output = run(&server, &["submit", "progress", "--json", "--budget", "USD:1"]);
    assert_eq!(stdout(&output).matches(r#""kind":"progress""#).count(), 6, "{}", stdout(&output));
    assert!(stdout(&output).contains(r#""budget":{"USD":"1"#), "{}", stdout(&output));
    for (arguments, code) in [
        (&["fail", "--input", r#"{"code":"PERMISSION_DENIED"}"#][..], 1),
        (&["slow", "--max-runtime", "1"], 4),
        (&["nobody"], 5),
        (&["ver@9.9.9"], 5),
        (&["echo", "--token", "tok-mallory"], 5),
    ] {
        let output = run(&server, &[&["submit"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_runtime_that_lists_no_sessions_is_named_as_such() {
    let Some(server) = serve("a_runtime_that_lists_no_sessions_is_named_as_such") else { return };
    let refused = run(&server, &["sessions"]);
    assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("the runtime does not list its sessions"), "{}", stderr(&refused));
}

#[cfg(unix)]
#[test]
fn ctrl_c_tail_jobs_and_cancel() {
    let Some(server) = serve("ctrl_c_tail_jobs_and_cancel") else { return };
    let endless = r#"{"ticks":1000000,"tick_ms":20}"#;
    let start = || {
        let mut command = command(&server, &["submit", "slow", "--input", endless]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut job = String::new();
        let mut line = String::new();
        while !line.contains(" progress ") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "it ended too early");
            if let Some(accepted) = line.strip_prefix("accepted ") {
                job = accepted.split(' ').next().unwrap_or_default().to_owned();
            }
        }
        (child, lines, job)
    };
    let end = |(mut child, mut lines, _): (std::process::Child, BufReader<_>, String)| {
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("stderr is text");
        (child.wait().expect("it ends").code(), rest)
    };

    let submit = start();
    crate::support::send("INT", &submit.0);
    assert_eq!(end(submit).0, Some(3));

    let submit = start();
    let output = run(&server, &["jobs", "--status", "running"]);
    assert!(stdout(&output).lines().nth(1).is_some_and(|line| line.starts_with(&submit.2)), "{}", stdout(&output));
    let mut tail = command(&server, &["tail", &submit.2]);
    let mut tail = tail.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut shown = BufReader::new(tail.stderr.take().expect("stderr is piped"));
    // This runtime keeps no events that the submit has acknowledged, so that the first one may be any.
    let mut line = String::new();
    while !line.contains(" progress ") {
        line.clear();
        assert_ne!(shown.read_line(&mut line).expect("a line"), 0, "no events");
    }
    // This runtime lets any session of the same principal cancel.
    let output = run(&server, &["cancel", &submit.2]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    std::io::copy(&mut shown, &mut std::io::sink()).expect("stderr can be read");
    assert_eq!(tail.wait().expect("it ends").code(), Some(3));
    assert_eq!(end(submit).0, Some(3));
}

#[test]
fn the_lines_of_the_readme_run_with_the_stock_sdk() {
    if !wanted("the_lines_of_the_readme_run_with_the_stock_sdk") {
        return;
    }
    let serving = crate::support::Serving::start(&["--token", "s3cret=me"]);
    let readme = include_str!("../../../../README.md");
    let (_, program) = readme.split_once("```python\n").expect("the README has a Python program");
    let (program, _) = program.split_once("```").expect("it ends");
    assert!(program.contains("ws://127.0.0.1:7777/arcp"), "{program}");
    let program = program.replace("ws://127.0.0.1:7777/arcp", &serving.url);
    let output = Command::new(python()).args(["-c", &program]).output().expect("Python runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("{'echoed': {'a': 1}}"), "{}", stdout(&output));
}
