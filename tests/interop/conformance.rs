//! `nuncio conformance` with each of our drivers, on tokio with four shards, and with the Python SDK, and our client on smol with its other half.
//!
//! What the Python runtime does not pass is compared with a list (`py/conformance.txt`); the columns of the README are those
//! that were measured.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use nuncio_tests::peers::{Server, binary, example, python, run_to_end, wanted};
use serde_json::Value;

/// The rules that need a runtime of their own: one whose window for resumes is short, and that allows few sessions.
const SHORT: [&str; 2] = ["§6.3/window-expired", "§14/session-cap"];

/// The limits that the runtimes have, where they have such a setting.
const SESSIONS: &str = "8";
const RESULT: &str = "4194304";

/// Starts our agents with a driver.
fn ours(driver: &str, flags: &[&str]) -> Server {
    let mut command = Command::new(example("interop_agents"));
    let shards = if driver == "tokio" { "4" } else { "1" };
    command.args(["--port", "0", "--driver", driver, "--shards", shards]).args(flags);
    Server::start(command)
}

/// Starts the same agents on the Python SDK.
fn python_agents(flags: &[&str]) -> Server {
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/py/python_runtime.py")).args(["--port", "0"]).args(flags);
    Server::start(command)
}

/// Judges a runtime; returns the rows, each with its section and name.
fn rows(server: &Server, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(binary("nuncio-cli", "nuncio"));
    command.args(["conformance", server.url(), "--token", "tok-alice", "--other-token", "tok-bob", "--json"]);
    command.args(arguments);
    let outcome = run_to_end(command, Duration::from_mins(5));
    let lines = outcome.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<Value> = lines.filter(|line| line["type"] == "rule").collect();
    assert!(!rows.is_empty(), "{}", outcome.stderr);
    rows
}

/// Judges a runtime, and another one by the rules that need one; returns the rows of all rules.
fn all_rows(server: &Server, short: &Server, timeout: &str) -> Vec<Value> {
    let mut all = rows(server, &["--timeout", timeout, "--result-limit", "4 MiB"]);
    let only = SHORT.iter().flat_map(|rule| ["--only", rule]);
    let flags: Vec<&str> = only.chain(["--timeout", timeout, "--session-limit", SESSIONS]).collect();
    for row in rows(short, &flags) {
        let is_same = |other: &Value| other["section"] == row["section"] && other["name"] == row["name"];
        let place = all.iter().position(is_same).unwrap();
        all[place] = row;
    }
    all
}

/// The rules that are not passed, one a line: their names, and how they ended.
fn not_passed(rows: &[Value]) -> String {
    let mut lines = String::new();
    for row in rows.iter().filter(|row| row["outcome"] != "passed") {
        let name = format!("{}/{}", row["section"].as_str().unwrap(), row["name"].as_str().unwrap());
        writeln!(lines, "{name} {}", row["outcome"].as_str().unwrap()).unwrap();
    }
    lines
}

/// The numbers of rules that were passed, failed and not offered, by group, as the README shows them.
fn cells(rows: &[Value]) -> BTreeMap<&str, String> {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for row in rows {
        let place = ["passed", "failed", "not_offered"].iter().position(|outcome| row["outcome"] == *outcome).unwrap();
        for group in [row["group"].as_str().unwrap(), "all"] {
            counts.entry(group).or_default()[place] += 1;
        }
    }
    counts
        .into_iter()
        .map(|(group, [passed, failed, missing])| (group, format!("{passed} / {failed} / {missing}")))
        .collect()
}

/// Requires that a column of the README shows what was measured.
fn is_in_readme(column: &str, rows: &[Value]) {
    let readme = include_str!("../../README.md");
    let mut table = readme.lines().skip_while(|line| !line.starts_with("| rules of ARCP |"));
    let cells_of = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let head = cells_of(table.next().expect("the README has the table"));
    let place = head.iter().position(|name| *name == column).unwrap();
    let shown: BTreeMap<&str, &str> =
        table.skip(1).take_while(|line| line.starts_with('|')).map(cells_of).map(|row| (row[0], row[place])).collect();
    let measured = cells(rows);
    let measured: BTreeMap<&str, &str> = measured.iter().map(|(group, cell)| (*group, cell.as_str())).collect();
    assert_eq!(shown, measured, "the column {column} of the README");
}

fn passes_every_rule(driver: &str) {
    let server = ours(driver, &["--heartbeat", "1", "--creds", "--result-limit", RESULT]);
    let short = ours(driver, &["--resume-window", "1", "--session-limit", SESSIONS]);
    let judged = all_rows(&server, &short, "20s");
    let failed: Vec<&Value> = judged.iter().filter(|row| row["outcome"] != "passed").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    is_in_readme("Nuncio", &judged);
}

#[test]
fn nuncio_passes_every_rule_on_tokio() {
    passes_every_rule("tokio");
}

#[test]
fn nuncio_passes_every_rule_on_smol() {
    passes_every_rule("smol");
}

#[test]
fn the_python_runtime_passes_what_is_listed() {
    if !wanted("the_python_runtime_passes_what_is_listed") {
        return;
    }
    let server = python_agents(&["--heartbeat", "1", "--creds"]);
    let judged = all_rows(&server, &python_agents(&["--resume-window", "1"]), "5s");
    assert_eq!(not_passed(&judged), include_str!("py/conformance.txt"), "{judged:#?}");
    is_in_readme("Python 1.1.3", &judged);
}

#[test]
fn no_credential_is_shown_to_others_even_where_they_may_watch() {
    let server = ours("tokio", &["--creds", "--open-policy"]);
    let judged = rows(&server, &["--timeout", "20s", "--only", "§7.6/no-credentials-for-others"]);
    assert_eq!(not_passed(&judged), "", "{judged:#?}");
}

#[test]
fn our_client_on_smol_breaks_no_rule() {
    let mut command = Command::new(binary("nuncio-cli", "nuncio"));
    command.args(["conformance", "--serve", "127.0.0.1:0", "--timeout", "20s"]);
    let mut judging = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(judging.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("READY ").unwrap();
    smol::block_on(async {
        let client = nuncio_smol::arcp::Client::builder(url, "tok-any").unwrap().connect().await.unwrap();
        let mut job = client.submit(&nuncio_smol::arcp::Submit::new("echo")).await.unwrap();
        let result: Value = job.result().await.unwrap();
        assert_eq!(result["conformance"], true);
        client.close().await;
    });
    let mut text = String::new();
    judging.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(judging.wait().unwrap().success(), "{text}");
    assert!(text.ends_with("22 passed, 0 failed, 0 not offered\n"), "{text}");
}
