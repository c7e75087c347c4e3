//! Programs as agents, with real processes, pipes and sockets.

mod asking;
mod budgets;
mod ends;
#[cfg(target_os = "linux")]
mod memory;
mod plain;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_tokio::arcp::{Client, Submit, Time};

use crate::support::{Serving, nuncio, send, stderr, stdout};

const TOKEN: [&str; 2] = ["--token", "t=alice"];

/// A server with the demo agents and those of the arguments.
fn serving(arguments: &[&str]) -> Serving {
    Serving::start(&[&TOKEN[..], arguments].concat())
}

/// A server with one agent, `it`, that is a shell script.
fn shell(script: &str, more: &[&str]) -> Serving {
    let agent = format!("it=sh -c {}", quoted(script));
    serving(&[&["--agent", &agent][..], more].concat())
}

/// A server with one agent, `it`, that is a Python program.
fn python(program: &str, more: &[&str]) -> Serving {
    const SAY: &str = "import json, os, sys, time, signal, subprocess
def say(**line): print(json.dumps(line), flush=True)
def hear(): return json.loads(sys.stdin.readline())
";
    let agent = format!("it=python3 -c {}", quoted(&format!("{SAY}{program}")));
    serving(&[&["--agent", &agent][..], more].concat())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn submit(serving: &Serving, arguments: &[&str]) -> Output {
    serving.submit("t", &[&["it"][..], arguments].concat())
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output).trim_end().to_owned()
}

/// The text of each event of a kind, in order.
fn bodies(output: &Output, kind: &str) -> Vec<String> {
    let kind = format!(" {kind} ");
    let body = |line: &str| line.split_once(&kind).map(|(_, body)| body.to_owned());
    stderr(output).lines().filter(|line| line.starts_with('+')).filter_map(body).collect()
}

/// A job that is followed while it runs.
struct Following {
    child: Child,
    lines: BufReader<ChildStderr>,
}

impl Following {
    fn start(serving: &Serving, arguments: &[&str]) -> Following {
        let mut command = nuncio(&["submit", "--url", &serving.url, "--token", "t", "it"]);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Following { child, lines }
    }

    /// Reads to the next line that contains `what`.
    #[track_caller]
    fn until(&mut self, what: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).expect("a line"), 0, "no {what:?} in {seen}");
            if line.contains(what) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The process ids that the program logs, as in `pids 1 2`.
    #[track_caller]
    fn pids(&mut self) -> Vec<u32> {
        let line = self.until("pids ");
        pids_in(&line).expect("pids")
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("stderr is text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // Fails if it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process ids in what a program logs, as in `pids 1 2`, if it has logged them.
#[track_caller]
fn pids_in(shown: &str) -> Option<Vec<u32>> {
    let (_, pids) = shown.lines().find_map(|line| line.split_once("pids "))?;
    let pids = pids.split(['{', '"']).next().unwrap_or_default();
    Some(pids.split_whitespace().map(|pid| pid.parse().expect("a process id")).collect())
}

/// Waits until these processes have ended. It polls, because the system reports the end of a process only to its parent.
#[track_caller]
fn all_end(pids: &[u32]) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while pids.iter().any(|pid| is_running(*pid)) {
        assert!(std::time::Instant::now() < deadline, "{pids:?} do not end");
        std::thread::yield_now();
    }
}

/// Returns whether a process runs. A zombie does not: in a container there may be no init process to reap it.
fn is_running(pid: u32) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    let state = state.expect("ps runs").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/exec_agent")
}

/// A program with a child. It logs the ids of both, which then wait for ever.
const FAMILY: &str = "child = subprocess.Popen(['sleep', '1000000'])
print('pids', os.getpid(), child.pid, flush=True)
time.sleep(1000000)";

/// The same, but both ignore SIGTERM.
const STUBBORN: &str = "signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '1000000'])
print('pids', os.getpid(), child.pid, flush=True)
time.sleep(1000000)";

#[test]
fn events_logs_and_the_result_arrive() {
    let serving = python(
        r#"given = hear()
say(kind="progress", body={"current": 1, "total": 2})
print("just a line")
print(["no", "object"])
say(kind="x-vendor.acme.note", body=[1, 2])
say(result={"given": given})
"#,
        &[],
    );
    let output = submit(&serving, &["--input", r#"{"a": [1, 0.10]}"#]);
    assert_eq!(succeeded(&output), r#"{"given": {"a": [1, 0.1]}}"#);
    assert_eq!(bodies(&output, "progress"), ["1/2"]);
    assert_eq!(bodies(&output, "x-vendor.acme.note"), ["[1, 2]"]);
    assert_eq!(bodies(&output, "log"), ["info: just a line", "info: ['no', 'object']"]);
}

#[test]
fn stderr_is_a_warning() {
    let serving = shell("echo careful >&2", &[]);
    let output = submit(&serving, &[]);
    assert_eq!(succeeded(&output), "null");
    assert_eq!(bodies(&output, "log"), [r#"warn: careful {"source":"stderr"}"#]);
}

#[test]
fn chunks_are_a_streamed_result() {
    let serving = python(r#"say(chunk="to be\n"); say(chunk={"base64": "b3Igbm90"})"#, &[]);
    assert_eq!(succeeded(&submit(&serving, &[])), "to be\nor not");
}

#[test]
fn a_failed_exit_status_fails_the_job_and_is_named() {
    let serving = shell(r#"echo '{"result":1}'; exit 37"#, &[]);
    let output = submit(&serving, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("INTERNAL_ERROR") && stderr(&output).contains("37"), "{}", stderr(&output));
}

#[test]
fn a_signal_fails_the_job_and_is_named() {
    let serving = shell("kill -SEGV $$", &[]);
    let output = submit(&serving, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("SIGSEGV"), "{}", stderr(&output));
}

#[test]
fn a_program_can_give_the_error() {
    let serving = shell(r#"echo '{"error":{"code":"INVALID_REQUEST","message":"no pages"}}'; exit 1"#, &[]);
    let output = submit(&serving, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("INVALID_REQUEST: no pages"), "{}", stderr(&output));
}

#[test]
fn an_invalid_line_is_reported_and_does_not_end_the_job() {
    let serving = python(
        r#"hear()
say(kind="progress", body={"current": -1})
first = hear()
say(resul=1)
second = hear()
say(result=[first["invalid"]["line"], second["invalid"]["line"], second["invalid"]["reason"]])
"#,
        &[],
    );
    let output = submit(&serving, &[]);
    let result = succeeded(&output);
    assert!(result.starts_with("[1, 2, ") && result.contains("`resul`"), "{result}");
    assert_eq!(bodies(&output, "log").len(), 2, "{}", stderr(&output));
    assert!(bodies(&output, "log").iter().all(|log| log.starts_with("warn: ")), "{}", stderr(&output));
}

#[test]
fn a_line_that_is_too_long_is_dropped_and_the_next_is_read() {
    let serving = python(
        r#"hear()
print("x" * 100000)
say(result=hear()["invalid"]["reason"])
"#,
        &["--frame-bytes", "16 KiB"],
    );
    assert_eq!(succeeded(&submit(&serving, &[])), r#""the line is longer than 16384 bytes""#);
}

#[test]
fn a_result_that_cannot_be_read_is_not_a_success() {
    let serving = serving(
        &[
            &["--frame-bytes", "16 KiB"][..],
            &["--agent", r#"nan=python3 -c 'import json; print(json.dumps({"result": {"score": float("nan")}}))'"#],
            &["--agent", r#"cut=printf %s '{"result": [1, 2'"#],
            &["--agent", r#"long=python3 -c 'import json; print(json.dumps({"chunk": "x" * 100000}))'"#],
            &["--agent", r#"odd=printf '{"kind": "log", "chunk": 1}\n{"result": 1}\n'"#],
            &["--agent", r#"id=printf '{"id": 1, "result": NaN}\n'"#],
            &["--agent", r#"mark=printf '\357\273\277{"result": NaN}\n'"#],
            &["--agent", r#"bytes=printf '{"result": "\377"}\n'"#],
        ]
        .concat(),
    );
    for (agent, place) in [
        ("nan", "NaN}}"),
        ("cut", "[1, 2"),
        ("long", r#"longer than 16384 bytes, and begins with {"chunk": "xxx"#),
        ("odd", r#"in {"kind": "log", "chunk": 1}"#),
        ("id", "at …NaN}"),
        ("mark", "at …NaN}"),
        ("bytes", "it is not UTF-8 at …\u{fffd}\"}"),
    ] {
        let output = serving.submit("t", &[agent]);
        assert_eq!(output.status.code(), Some(1), "{agent}: {}", stdout(&output));
        let said = stderr(&output);
        assert!(said.contains("INTERNAL_ERROR: line 1 ") && said.contains(place), "{agent}: {said}");
    }
}

#[test]
fn a_question_that_cannot_be_read_is_answered() {
    let serving = python(
        r#"hear()
print('{"id": 1, "delegate": {"agent": "x", "input": NaN}}', flush=True)
say(error={"message": hear()["invalid"]["reason"]})
"#,
        &[],
    );
    let output = submit(&serving, &[]);
    assert!(stderr(&output).contains("expected value at …NaN}}"), "{}", stderr(&output));
}

#[test]
fn a_result_over_several_lines_fails_a_job_that_has_no_other() {
    let script = r#"import json; print(json.dumps({"result": {"error": 1}}, indent=2))"#;
    let output = submit(&python(script, &[]), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = "the program gave no result, and line 2 is no message: a message is one line";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    assert_eq!(succeeded(&submit(&python(&format!("{script}\nsay(result=7)"), &[]), &[])), "7");
    let nested = r#"import json; print(json.dumps({"answer": {"error": 1}}, indent=2))"#;
    assert_eq!(succeeded(&submit(&python(nested, &[]), &[])), "null");
}

#[test]
fn characters_that_are_cut_between_two_chunks_are_joined() {
    let serving = python(r#"say(chunk="a\ud83d"); say(chunk="\ude00b"); say(chunk="\ude00c\ud83d")"#, &[]);
    assert_eq!(succeeded(&submit(&serving, &[])), "a\u{1f600}b\u{fffd}c\u{fffd}");
}

#[test]
fn reports_of_invalid_lines_do_not_block_a_program_that_does_not_read_them() {
    let serving = shell(r#"for n in $(seq 1000); do echo '{"nonsense":1}'; done; echo '{"result":"done"}'"#, &[]);
    assert_eq!(succeeded(&submit(&serving, &[])), r#""done""#);
}

#[test]
fn a_program_need_not_read_its_input() {
    let serving = shell(r#"exec <&-; echo '{"result":"who cares"}'"#, &["--frame-bytes", "1 MiB"]);
    let input = format!("\"{}\"", "x".repeat(100_000));
    assert_eq!(succeeded(&submit(&serving, &["--input", &input])), r#""who cares""#);
}

#[test]
fn processes_left_behind_are_ended_with_the_program() {
    let serving = shell("sleep 1000000 & echo pids $$ $!", &[]);
    let output = submit(&serving, &[]);
    assert_eq!(succeeded(&output), "null");
    let log = bodies(&output, "log").concat();
    let pids: Vec<u32> = log.split(['"', ' ']).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(pids.len(), 2, "{log}");
    all_end(&pids);
}

#[test]
fn the_environment_describes_the_job_and_hides_nuncios_own_variables() {
    let serving = python(
        r#"hear()
say(result={name: value for name, value in os.environ.items() if name.startswith(("NUNCIO_", "TRACE", "PYTHONUNBUFFERED"))})
"#,
        &[],
    );
    let lease = r#"{"net.fetch":["https://example.com/**"],"cost.budget":["USD:1.50"]}"#;
    let output = submit(&serving, &["--lease", lease, "--max-runtime", "3600"]);
    let environment: serde_json::Value = serde_json::from_str(&succeeded(&output)).expect("JSON");
    let job = stderr(&output).lines().next().and_then(|line| line.split(' ').nth(1)).expect("the job's id");
    assert_eq!(environment["NUNCIO_JOB_ID"], job);
    assert_eq!(environment["NUNCIO_AGENT"], "it");
    assert_eq!(environment["NUNCIO_PRINCIPAL"], "alice");
    assert_eq!(environment["NUNCIO_RESTARTS"], "0");
    assert_eq!(json(&environment["NUNCIO_LEASE"]), serde_json::from_str::<serde_json::Value>(lease).expect("JSON"));
    assert_eq!(json(&environment["NUNCIO_BUDGET"]), serde_json::json!({"USD": 1.5}));
    assert!(environment["NUNCIO_DEADLINE"].as_str().is_some_and(|time| time.ends_with('Z')), "{environment}");
    let trace = environment["NUNCIO_TRACE_ID"].as_str().expect("a trace");
    let parent = environment["TRACEPARENT"].as_str().expect("a parent");
    assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
    let names: Vec<_> = environment.as_object().expect("an object").keys().collect();
    assert_eq!(environment["PYTHONUNBUFFERED"], "1");
    assert_eq!(names.len(), 10, "{names:?}");
}

fn json(text: &serde_json::Value) -> serde_json::Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).expect("JSON in a string")
}

#[test]
fn a_program_may_ask_what_its_lease_allows() {
    let serving = python(
        r#"hear()
say(authorize={"cap": "net.fetch", "target": "https://example.com/a"}, id=1)
yes = hear()
say(authorize={"cap": "net.fetch", "target": "https://evil.test/"}, id="two")
no = hear()
say(result=[yes, no["id"], no["authorize"]["allowed"], no["authorize"]["code"], "reason" in no["authorize"]])
"#,
        &[],
    );
    let output = submit(&serving, &["--lease", r#"{"net.fetch":["https://example.com/**"]}"#]);
    let yes = r#"{"authorize": {"allowed": true, "target": "https://example.com/a"}, "id": 1}"#;
    assert_eq!(succeeded(&output), format!(r#"[{yes}, "two", false, "PERMISSION_DENIED", true]"#));
}

#[test]
fn a_program_may_delegate_and_is_sent_the_outcome() {
    let serving = python(
        r#"hear()
say(delegate={"agent": "echo", "input": {"n": 1}}, id="a")
accepted = hear()
outcome = hear()
assert accepted["delegate"]["job_id"] == outcome["outcome"]["job_id"]
say(delegate={"agent": "fail", "input": {"message": "out of paper"}}, id="b")
hear()
failed = hear()["outcome"]
say(delegate={"agent": "slow"}, id="c")
refused = hear()
say(result=[accepted["id"], outcome["id"], outcome["outcome"]["final_status"], outcome["outcome"]["result"],
            failed["final_status"], failed["error"]["message"], refused["delegate"]["error"]["code"], refused["id"]])
"#,
        &[],
    );
    let output = submit(&serving, &["--lease", r#"{"agent.delegate":["echo", "fail"]}"#]);
    let expected = r#"["a", "a", "success", {"echoed": {"n": 1}}, "error", "out of paper", "PERMISSION_DENIED", "c"]"#;
    assert_eq!(succeeded(&output), expected);
}

#[test]
fn the_example_in_python_works() {
    let agent = format!("it=python3 {}", quoted(&examples().join("agent.py").display().to_string()));
    let serving = serving(&["--agent", &agent]);
    let pages = ["--input", r#"{"pages": ["to be", "or not to be"]}"#];
    let allowed = submit(&serving, &[&pages[..], &["--lease", r#"{"tool.call":["counter"]}"#]].concat());
    assert_eq!(succeeded(&allowed), r#"{"words": 6}"#);
    let refused = submit(&serving, &pages);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("the lease does not let me count"), "{}", stderr(&refused));
}

#[test]
fn the_example_in_shell_works() {
    let agent = format!("it=sh {}", quoted(&examples().join("agent.sh").display().to_string()));
    let serving = serving(&["--agent", &agent]);
    let output = submit(&serving, &["--input", r#""hello big world""#]);
    assert_eq!(succeeded(&output), "HELLO! BIG! WORLD!");
    assert!(stderr(&output).contains("it was loud"), "{}", stderr(&output));
}

/// A temporary directory of one test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that stays does not disturb the next run.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
