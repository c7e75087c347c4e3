//! What is said of wrong input: what happened, once, and what to do about it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Serving, nuncio, run, send, stderr, stdout};

/// Runs a command without a runtime, and returns its exit code and what it said.
pub(crate) fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    assert_eq!(stdout(&output), "", "{arguments:?}");
    (output.status.code(), stderr(&output).to_owned())
}

pub(crate) fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    path.to_str().expect("a path that is text").to_owned()
}

/// A URL at which nothing listens.
fn nowhere() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    format!("ws://{free}/arcp")
}

#[test]
fn wrong_arguments_forge_no_line_and_hide_secrets() {
    let (code, message) = said(&["serve", "--drain", "\u{1b}[2J\nnuncio: all is well\u{202e}"]);
    assert_eq!(code, Some(2));
    assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message:?}");
    assert!(message.lines().all(|line| !line.starts_with("nuncio:")), "{message}");
    let (code, message) = said(&["serve", "--token", "s3cret"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("write it as TOKEN=PRINCIPAL") && !message.contains("s3cret"), "{message}");
}

#[test]
fn a_token_file_that_is_not_utf_8_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", b"# ours\ngood=me\nb\xffd=me\n");
    let (code, message) = said(&["serve", "--demo-agents", "--check", "--token-file", &tokens]);
    assert_eq!(code, Some(2));
    assert!(message.contains("line 3 of") && message.contains("it is not UTF-8"), "{message}");
    let token = file(&folder, "token", b"b\xffd\n");
    let (code, message) = said(&["jobs", "--url", &nowhere(), "--token-file", &token]);
    assert_eq!(code, Some(2));
    assert!(message.contains("is not UTF-8; write nothing but the token into it"), "{message}");
    let tokens = file(&folder, "many", b"good=me\nother=me\n");
    let (code, message) = said(&["jobs", "--url", &nowhere(), "--token-file", &tokens]);
    assert_eq!(code, Some(2));
    assert!(message.contains("has more than one line"), "{message}");
}

#[test]
fn a_refused_login_says_that_the_runtime_has_refused_it() {
    let serving = Serving::start(&["--token", "t=me", "--sessions", "1"]);
    let jobs = |token| {
        let output = run(&["jobs", "--url", &serving.url, "--token", token]);
        (output.status.code(), stderr(&output).to_owned())
    };
    let (code, message) = jobs("wr0ng");
    assert_eq!(code, Some(5), "{message}");
    let refused = "nuncio: the runtime refused the token: UNAUTHENTICATED: ";
    assert!(message.starts_with(refused) && message.contains("; check the token"), "{message}");
    let submit = ["submit", "slow", "--input", r#"{"ticks":100000}"#, "--url", &serving.url, "--token", "t"];
    let mut following = nuncio(&submit).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a command");
    let mut lines = BufReader::new(following.stderr.take().expect("its errors")).lines();
    assert!(lines.any(|line| line.expect("a line").starts_with("accepted")), "its session is the only one");
    let (code, message) = jobs("t");
    assert_eq!(code, Some(5), "{message}");
    assert!(message.starts_with("nuncio: the runtime refused the connection: INTERNAL_ERROR: "), "{message}");
    assert!(
        !message.contains("reached:") && !message.contains("check the token"),
        "advice that does not fit: {message}"
    );
    following.kill().expect("it runs");
    following.wait().expect("it ends");
}

#[test]
fn a_command_of_another_type_is_answered_with_examples() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(&folder, "nuncio.toml", b"[agents.x]\ncommand = 5\n");
    let (code, message) = said(&["serve", "--check", "--config", &config]);
    assert_eq!(code, Some(2));
    let examples = r#"such as "python3 agent.py" or ["python3", "agent.py"]"#;
    assert!(message.contains("line 2, column 11") && message.contains(examples), "{message}");
}

#[test]
fn what_is_misspelled_is_compared_with_what_there_is() {
    let (code, message) = said(&["sumbit"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("a similar subcommand exists: 'submit'"), "{message}");
    let (_, message) = said(&["submit", "echo", "--inputt", "3"]);
    assert!(message.contains("a similar argument exists: '--input'"), "{message}");
}

#[test]
fn a_replay_needs_a_session_or_a_job() {
    let (code, message) = said(&["replay", "--journal", "any"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("--session <SESSION>|--job <JOB>"), "{message}");
}

#[test]
fn a_path_of_the_user_that_is_wrong_is_to_be_checked() {
    let serve = ["serve", "--demo-agents", "--check"];
    let submit = ["submit", "echo", "--token", "t"];
    for (command, wrong) in [
        (&serve[..], &["--config", "nosuch.toml"][..]),
        (&serve, &["--token-file", "nosuch"]),
        (&serve, &["--jwt-secret-file", "nosuch"]),
        (&serve, &["--tls-cert", "nosuch", "--tls-key", "nosuch"]),
        (&submit, &["--input", "@nosuch"]),
        (&submit, &["--output", "/nosuch/x"]),
        (&submit, &["--ca-file", "nosuch"]),
        (&["jobs"], &["--token-file", "nosuch"]),
        (&["context", "add", "a", "--url", "ws://127.0.0.1:1/"], &["--token-file", "nosuch"]),
        (&["conformance", "ws://127.0.0.1:1/"], &["--token-file", "nosuch"]),
        (&["caracal", "coordinator"], &["--application-file", "nosuch"]),
    ] {
        let (_, message) = said(&[command, wrong].concat());
        assert!(message.ends_with("; check that the path is right\n"), "{wrong:?}: {message}");
    }
}

#[test]
fn conformance_needs_a_runtime_or_an_address_for_a_client() {
    let (code, message) = said(&["conformance"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("<URL|--serve <ADDR>>"), "{message}");
}

#[test]
fn a_web_server_is_no_runtime() {
    let mut serving = Serving::start(&["--token", "t=me", "--console", "127.0.0.1:0"]);
    let said = serving.until("console on http://");
    let (_, address) = said.split_once("http://").expect("a URL");
    let address = address.trim_end_matches('/');
    let output = run(&["jobs", "--url", &format!("ws://{address}/"), "--token", "t"]);
    assert_eq!(output.status.code(), Some(6));
    let said = stderr(&output);
    assert!(said.contains("it is a web server, such as a console") && said.contains("which is /arcp"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_server_warns_of_a_token_file_that_others_can_read_and_of_what_has_no_effect() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", b"t=me\n");
    for (mode, warns) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&tokens, fs::Permissions::from_mode(mode)).expect("the mode is set");
        let log = Serving::start(&["--token-file", &tokens, "--restart", "echo=rerun"]).log();
        assert_eq!(
            log.iter().any(|line| line.starts_with("nuncio: warning: other users can read the token file ")),
            warns,
            "{log:?}"
        );
        assert!(
            log.iter().any(|line| line.contains("--restart echo=rerun has no effect without --journal")),
            "{log:?}"
        );
        // Nothing runs that would have time to end.
        assert!(log.iter().any(|line| line == "nuncio: stopping"), "{log:?}");
    }
}

#[test]
fn a_stop_says_how_many_jobs_have_time_to_end() {
    let mut serving = Serving::start(&["--token", "t=me"]);
    let input = r#"{"ticks": 1000000}"#;
    let submitted = serving.submit("t", &["slow", "--input", input, "--detach"]);
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
    serving.until("a job was submitted");
    send("TERM", &serving.child);
    serving.until("nuncio: stopping; 1 running job may take 10s to end; a second signal stops at once");
    send("TERM", &serving.child);
    assert_eq!(serving.ended().0, Some(0));
}

#[test]
fn without_self_approval_there_is_an_approver() {
    let (code, message) = said(&["serve", "--demo-agents", "--check", "--ask", "tool.call=*", "--no-self-approval"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("give --approver PRINCIPAL"), "{message}");
    let flags = ["serve", "--demo-agents", "--check", "--no-self-approval", "--approver", "boss"];
    let output = run(&flags);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("approver boss; nobody approves for jobs of its own"), "{}", stdout(&output));
}

/// An empty variable in a script must not choose the only job that there is.
#[test]
fn an_empty_id_means_no_job() {
    for command in ["cancel", "tail", "describe", "wait", "questions"] {
        let (code, message) = said(&[command, "", "--url", &nowhere(), "--token", "t"]);
        assert_eq!(code, Some(2), "{command}: {message}");
        assert!(message.contains("JOB"), "{command}: {message}");
    }
    let (code, message) = said(&["submit", "", "--url", &nowhere(), "--token", "t"]);
    assert_eq!(code, Some(2), "{message}");
    let serving = Serving::start(&["--token", "t=me"]);
    let slow = ["slow", "--input", r#"{"ticks":1000000}"#, "--detach"];
    assert!(serving.submit("t", &slow).status.success());
    let (code, message) = said(&["cancel", "job_", "--url", &serving.url, "--token", "t"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("write more of the id"), "{message}");
}

#[test]
fn a_runtime_that_is_not_reached_is_named_without_the_parameters_of_its_url() {
    let url = nowhere();
    let (code, message) = said(&["jobs", "--url", &format!("{url}?token=s3cret"), "--token", "t"]);
    assert_eq!(code, Some(6));
    assert!(message.contains(&format!("{url}: the runtime could not be reached")), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn a_server_that_refuses_the_path_is_reached() {
    let serving = Serving::start(&["--token", "t=me"]);
    let url = serving.url.replace("/arcp", "/other");
    let commands: [(&[&str], _); 2] = [(&["jobs", "--url", &url], 6), (&["conformance", &url], 2)];
    for (command, exit) in commands {
        let (code, message) = said(&[command, &["--token", "t"]].concat());
        assert_eq!(code, Some(exit), "{message}");
        assert_eq!(message.matches("404 Not Found").count(), 1, "{message}");
        let answered = "the server answered HTTP 404 Not Found, so it does not speak ARCP at this URL";
        assert!(message.contains(answered), "{message}");
        assert!(message.contains("check the port, and the path, which is /arcp unless"), "{message}");
        for other in ["could not be reached", "cannot connect", "was refused", "is running there"] {
            assert!(!message.contains(other), "{other}: {message}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_job_that_is_lost_with_its_runtime_is_not_said_to_go_on() {
    let serving = Serving::start(&["--token", "t=me"]);
    let address =
        serving.url.strip_prefix("ws://").and_then(|url| url.strip_suffix("/arcp")).expect("a URL").to_owned();
    let mut command = nuncio(&["submit", "--url", &serving.url, "--token", "t", "slow"]);
    let command = command.args(["--input", r#"{"ticks":1000000}"#, "--json"]);
    let mut submit = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut first = String::new();
    let mut lines = BufReader::new(submit.stdout.take().expect("stdout is piped"));
    lines.read_line(&mut first).expect("a line");
    assert!(first.contains("accepted"), "{first}");
    send("KILL", &serving.child);
    serving.ended();
    let _again = Serving::of(nuncio(&["serve", "--demo-agents", "--token", "t=me", "--listen", &address]));
    std::io::copy(&mut lines, &mut std::io::sink()).expect("stdout ends");
    let output = submit.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(message.contains("restarted without a journal and has also lost its jobs"), "{message}");
    assert!(!message.contains("open a new session") && !message.contains("go on"), "{message}");
}

#[test]
fn a_value_that_lacks_its_quotes_is_recognized() {
    let (code, message) = said(&["submit", "count", "--input", "1", "or", "not"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("unexpected argument 'or'") && message.contains("in quotes"), "{message}");
    let (_, message) = said(&["submit", "count", "--inptu", "1"]);
    assert!(message.contains("--input") && !message.contains("in quotes"), "a slip has its own tip: {message}");
}

#[test]
fn json_on_stdin_that_is_not_valid_gets_advice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "input", b"a b c\n");
    let mut command = nuncio(&["submit", "count", "--input", "-"]);
    let output = command.stdin(fs::File::open(path).expect("the file")).output().expect("the binary runs");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        message.contains("stdin is not JSON: line 1, column ") && message.contains("quotes around it"),
        "{message}"
    );
}

#[test]
fn a_wrong_value_of_a_variable_is_reported_under_its_name() {
    let output = nuncio(&["serve", "--check"]).env("NUNCIO_TOKENS", "s3cret").output().expect("the binary runs");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("NUNCIO_TOKENS") && !message.contains("s3cret"), "{message}");
    let mut command = nuncio(&["serve", "--check", "--token", "s3cret"]);
    let output = command.env("NUNCIO_TOKENS", "a=b").output().expect("the binary runs");
    assert!(!stderr(&output).contains("NUNCIO_TOKENS"), "the option was given: {}", stderr(&output));
    let mut command = nuncio(&["jobs", "--token", "t"]);
    let output = command.env("NUNCIO_URL", "http://127.0.0.1:1/arcp").output().expect("the binary runs");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("write NUNCIO_URL as ws://") && !message.contains("--url"), "{message}");
    let (_, message) = said(&["jobs", "--token", "t", "--url", "http://127.0.0.1:1/arcp"]);
    assert!(message.contains("write --url as ws://"), "{message}");
}

#[test]
fn an_option_that_the_environment_gives_is_not_shown_as_missing() {
    let mut command = nuncio(&["caracal", "terminate"]);
    command.env("CARACAL_COORDINATOR_URL", "http://127.0.0.1:1").env("CARACAL_ZONE_ID", "z1");
    let output = command.output().expect("the binary runs");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("Usage: nuncio caracal terminate [OPTIONS] <SESSION>"), "{message}");
}

#[test]
fn the_journal_of_a_replay_is_named_as_for_the_commands_of_journals() {
    let job = ["--job", "job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB"];
    let said = |file: &[&str]| said(&[&["replay"][..], file, &job].concat());
    let (code, message) = said(&["/no/such/journal"]);
    assert_ne!(code, Some(2), "{message}");
    assert_eq!(said(&["--journal", "/no/such/journal"]), (code, message));
    assert_eq!(said(&[]).0, Some(2));
    assert_eq!(said(&["a", "--journal", "a"]).0, Some(2));
}
