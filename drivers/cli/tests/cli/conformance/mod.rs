//! `nuncio conformance`: a runtime and a client without a fault break no rule, and planted faults are found.

mod faults;
mod faulty;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Output, Stdio};

use nuncio_tests::raw::Wire;
use serde_json::{Value, json};

use crate::support::{Serving, nuncio, run, stderr, stdout};

fn serve() -> Serving {
    Serving::start(&["--token", "tok-alice=alice", "--token", "tok-bob=bob", "--heartbeat-interval", "1s"])
}

/// Judges a runtime.
fn judge(url: &str, arguments: &[&str]) -> Output {
    let base = ["conformance", url, "--token", "tok-alice", "--other-token", "tok-bob"];
    run(&[&base, arguments].concat())
}

/// Requires that names such as `§8.2.1/progress-total` come in the order of the specification's sections.
fn are_in_order<'a>(names: impl Iterator<Item = &'a str>) {
    let section = |name: &str| -> Vec<u32> {
        let (section, _) = name.strip_prefix('§').unwrap().split_once('/').unwrap();
        section.split('.').map(|number| number.parse().unwrap()).collect()
    };
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    for pair in names.windows(2) {
        assert!(section(pair[0]) <= section(pair[1]), "{} comes before {}", pair[0], pair[1]);
    }
}

/// Returns the names of the rules in the lines for people.
fn names_in_lines(text: &str) -> impl Iterator<Item = &str> {
    let rows = text.lines().filter(|line| !line.starts_with(' '));
    rows.filter_map(|line| line.split_whitespace().find(|word| word.starts_with('§')))
        .map(|name| name.trim_end_matches(':'))
}

/// Returns the names of the rules in the objects of `--json`.
fn names_in_json(rows: &[Value]) -> Vec<String> {
    let rules = rows.iter().filter(|row| row["type"] == "rule");
    rules.map(|row| format!("{}/{}", row["section"].as_str().unwrap(), row["name"].as_str().unwrap())).collect()
}

/// Returns the names of the rules in a document for `JUnit`.
fn names_in_junit(document: &str) -> impl Iterator<Item = &str> {
    let cases = document.lines().filter_map(|line| line.trim().strip_prefix("<testcase "));
    cases.filter_map(|case| case.split_once(" name=\"")?.1.split('"').next())
}

#[test]
fn nuncio_serve_breaks_no_rule() {
    let server = serve();
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let output = judge(&server.url, &["--timeout", "20s", "--json", "--junit", junit.to_str().unwrap()]);
    let rows: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<&Value> = rows.iter().filter(|row| row["outcome"] == "failed").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = rows.last().unwrap();
    assert_eq!((&summary["type"], &summary["failed"]), (&json!("summary"), &json!(0)));
    let passed = rows.iter().filter(|row| row["outcome"] == "passed").count();
    assert_eq!(summary["passed"], passed);
    // Its agents are fewer than those of the interop tests, which pass all rules.
    assert!(passed > 90, "{passed} rules are passed");
    let document = std::fs::read_to_string(junit).unwrap();
    assert_eq!(document.matches("<testcase ").count(), rows.len() - 1);
    are_in_order(names_in_json(&rows).iter().map(String::as_str));
    are_in_order(names_in_junit(&document));
    assert_eq!(names_in_junit(&document).count(), rows.len() - 1);
    let mut suites: Vec<&str> = document.lines().filter(|line| line.contains("<testsuite ")).collect();
    suites.dedup();
    let groups = rows.iter().filter_map(|row| row["group"].as_str()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(suites.len(), groups.len(), "a group has one suite: {suites:#?}");
}

#[test]
fn rows_for_people_are_in_the_order_of_the_sections() {
    let server = serve();
    let sections = ["§14", "§12/codes", "§11", "§10", "§9.8", "§9.4", "§9.1", "§8.4", "§8.1", "§7.1", "§5"];
    let only: Vec<&str> = sections.iter().flat_map(|section| ["--only", section]).collect();
    let output = judge(&server.url, &[&only, &["--timeout", "20s"][..]].concat());
    let text = stdout(&output);
    are_in_order(names_in_lines(text));
}

#[test]
fn rules_can_be_selected_and_counted() {
    let server = serve();
    let output = judge(&server.url, &["--only", "§6.3/replay", "--only", "no-token"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].contains("pass") && lines[0].contains("§6.1/no-token"), "{lines:?}");
    assert!(lines[1].contains("§6.3/replay"), "{lines:?}");
    assert_eq!(lines[2], "described: the specification states the rule without MUST or SHOULD");
    assert_eq!(lines[3], "2 rules: 2 passed, 0 failed, 0 not offered");
    let table = judge(&server.url, &["--only", "§6.3/replay", "--markdown"]);
    assert!(stdout(&table).ends_with("| §6.3 resume | 1 | 0 | 0 |\n| all | 1 | 0 | 0 |\n"), "{}", stdout(&table));
}

#[test]
fn what_cannot_be_judged_is_exit_code_2() {
    let server = serve();
    let url = server.url.as_str();
    for (arguments, part) in [
        (&["conformance", "ws://127.0.0.1:1/arcp", "--token", "tok-alice"][..], "cannot connect"),
        (&["conformance", url, "--token", "wr0ng-token"], "refuses the token"),
        (&["conformance", url], "there is no token"),
        (&["conformance", url, "--token", "tok-alice", "--only", "§99"], "selects no rule"),
        (&["conformance", "http://127.0.0.1/", "--token", "tok-alice"], "ws://HOST:PORT/arcp"),
        (&["conformance"], "URL"),
        (&["conformance", "--serve", "nowhere"], "cannot listen on nowhere"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("wr0ng-token"), "{}", stderr(&output));
    }
}

/// A `nuncio conformance --serve`.
struct Judging {
    child: Child,
    url: String,
}

impl Judging {
    fn start(arguments: &[&str]) -> Judging {
        let mut command = nuncio(&["conformance", "--serve", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("READY ").unwrap().to_owned();
        Judging { child, url }
    }

    /// Waits until the client is judged; returns the exit code and the output.
    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

#[test]
fn a_wrong_token_names_the_options_that_there_are() {
    let server = serve();
    let refused = run(&["conformance", &server.url, "--token", "wrong"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(
        said.contains("check --token, --token-file, NUNCIO_TOKEN or NUNCIO_TOKEN_FILE") && !said.contains("context"),
        "{said}"
    );
}

#[test]
fn our_client_breaks_no_rule() {
    let judging = Judging::start(&["--timeout", "20s"]);
    let output = run(&["submit", "echo", "--url", &judging.url, "--token", "tok-any"]);
    assert_eq!(stdout(&output), "{\"conformance\":true}\n", "{}", stderr(&output));
    let (code, text) = judging.end();
    are_in_order(names_in_lines(&text));
    assert!(text.ends_with("22 rules: 22 passed, 0 failed, 0 not offered\n"), "{text}");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn the_faults_of_a_client_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let judging = Judging::start(&["--timeout", "2s", "--json", "--junit", junit.to_str().unwrap()]);
    let mut wire = Wire::connect_with(&judging.url, "s3cret-token", &["ack"]);
    // It uses what was not negotiated, acknowledges what was not sent, answers no ping, and never comes back.
    wire.request("session.list_jobs", &json!({}));
    wire.submit(&json!({"agent": "Not A Name"}));
    wire.until("the burst", |frame| frame["event_seq"] == 40);
    wire.request("session.ack", &json!({"last_processed_seq": 4000}));
    wire.cut();
    let (code, text) = judging.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("s3cret-token"), "{text}");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    are_in_order(names_in_json(&rows).iter().map(String::as_str));
    are_in_order(names_in_junit(&std::fs::read_to_string(junit).unwrap()));
    let failed = rows.iter().filter(|row| row["outcome"] == "failed");
    let failed: Vec<String> = failed.map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for name in ["negotiated", "acks", "submit", "close"] {
        assert!(failed.iter().any(|failed| failed == name), "{name}: {failed:?}");
    }
    assert!(!failed.iter().any(|name| name == "hello" || name == "ids"), "{failed:?}");
}
