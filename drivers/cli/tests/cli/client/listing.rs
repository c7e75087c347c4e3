//! `nuncio jobs` and `nuncio sessions`.

use serde_json::Value;

use super::runtime::Runtime;

fn ids(stdout: &str) -> Vec<&str> {
    stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn a_table_has_a_line_per_job_newest_first() {
    let runtime = Runtime::start();
    let submitted: Vec<String> = ["echo", "fail", "echo"]
        .map(|agent| runtime.run(&["submit", agent, "--detach"]).stdout.trim().to_owned())
        .into();
    let done = runtime.run(&["jobs"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let newest_first: Vec<&String> = submitted.iter().rev().collect();
    assert_eq!(ids(&done.stdout), newest_first);
    assert_eq!(ids(&runtime.run(&["jobs", "--oldest-first"]).stdout), submitted);
    let one = runtime.run(&["jobs", "--limit", "1"]);
    assert_eq!(ids(&one.stdout), newest_first[..1]);
    assert!(one.stderr.contains("2 older jobs are not shown"), "{}", one.stderr);
    let two = runtime.run(&["jobs", "--limit", "2"]);
    assert!(two.stderr.contains("1 older job is not shown"), "{}", two.stderr);
    assert!(done.stdout.starts_with("JOB "), "{}", done.stdout);
    assert!(!done.stdout.contains('\u{1b}'), "no colours in a file: {}", done.stdout);
}

#[test]
fn filters_choose_by_agent_state_and_time() {
    let runtime = Runtime::start();
    let run = |agent: &str| runtime.run(&["submit", agent, "--json"]).lines()[0]["job_id"].as_str().unwrap().to_owned();
    let (echo, fail) = (run("echo"), run("fail"));
    let mut waiting = runtime.start_command(&["submit", "waits"]);
    let waits = waiting.accepted();
    waiting.until("waiting");
    for (filter, expected) in [
        (&["--agent", "echo"][..], vec![&echo]),
        (&["--status", "error,running"], vec![&waits, &fail]),
        (&["--status", "error", "--status", "success"], vec![&fail, &echo]),
        (&["--since", "1h"], vec![&waits, &fail, &echo]),
        (&["--since", "2999-01-01T00:00:00Z"], vec![]),
        (&["--until", "1h"], vec![]),
    ] {
        let done = runtime.run(&[&["jobs"], filter].concat());
        assert_eq!(ids(&done.stdout), expected, "{filter:?}");
    }
    for wrong in [&["--status", "done"][..], &["--since", "yesterday"], &["--limit", "0"], &["--limit", "1", "--all"]] {
        assert_eq!(runtime.run(&[&["jobs"], wrong].concat()).code, Some(2), "{wrong:?}");
    }
    // Jobs of other principals are not listed.
    assert_eq!(runtime.run(&["jobs", "--token", "tok-bob"]).stdout, "");
    runtime.gate.open(1);
    assert_eq!(waiting.end().code, Some(0));
}

#[test]
fn a_page_continues_where_the_last_one_ended() {
    let runtime = Runtime::start();
    let submitted: Vec<String> =
        (0..5).map(|_| runtime.run(&["submit", "echo", "--detach"]).stdout.trim().to_owned()).collect();
    let first = runtime.run(&["jobs", "--oldest-first", "--limit", "2"]);
    assert_eq!(ids(&first.stdout), submitted[..2]);
    let cursor = first.stderr.split("--cursor ").nth(1).unwrap().split(' ').next().unwrap();
    let second = runtime.run(&["jobs", "--oldest-first", "--limit", "2", "--cursor", cursor]);
    assert_eq!(ids(&second.stdout), submitted[2..4]);
    assert_eq!(ids(&runtime.run(&["jobs", "--oldest-first", "--all"]).stdout), submitted);
    let lines = runtime.run(&["jobs", "--oldest-first", "--json", "--limit", "2"]).lines();
    assert_eq!(lines.iter().map(|line| &line["type"]).collect::<Vec<_>>(), ["job", "job", "more"]);
    assert_eq!(lines[2]["next_cursor"], cursor);
    assert_eq!(lines[0]["job_id"], submitted[0].as_str());
}

#[cfg(unix)]
#[test]
fn a_watch_without_a_terminal_prints_what_has_changed() {
    let runtime = Runtime::start();
    let mut job = runtime.start_command(&["submit", "waits"]);
    job.until("waiting");
    let mut watch = runtime.start_command(&["jobs", "--json", "--watch=10ms"]);
    let line: Value = serde_json::from_str(&watch.read_out("running")).unwrap();
    assert_eq!(line["agent"], "waits");
    runtime.gate.open(1);
    watch.read_out("success");
    watch.interrupt();
    let done = watch.end();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{}", done.stdout);
}

#[test]
fn sessions_are_listed_by_their_states_and_jobs() {
    let runtime = Runtime::start();
    let mut waiting = runtime.start_command(&["submit", "waits", "--json"]);
    let line: Value = serde_json::from_str(&waiting.read_out("accepted")).unwrap();
    let session = line["session_id"].as_str().unwrap();
    let alone = runtime.run(&["sessions"]);
    assert_eq!((alone.code, alone.stderr.as_str()), (Some(0), ""));
    assert!(alone.stdout.starts_with("SESSION "), "{}", alone.stdout);
    // The second session is that of the command.
    let rows: Vec<Vec<&str>> = alone.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[0][..4].to_vec(), rows.len()), (vec![session, "alice", "live", "1"], 2));
    assert_eq!(rows[1][1..4], ["alice", "live", "0"]);

    let one = runtime.run(&["sessions", "--limit", "1"]);
    assert_eq!(ids(&one.stdout), [session]);
    assert!(one.stderr.contains("2 more sessions not shown"), "{}", one.stderr);

    let lines = runtime.run(&["sessions", "--all", "--json"]).lines();
    let states: Vec<&Value> = lines.iter().map(|line| &line["state"]).collect();
    assert_eq!(states, ["live", "live", "closed", "closed"]);
    assert_eq!((&lines[0]["type"], &lines[0]["session_id"]), (&Value::from("session"), &Value::from(session)));
    assert_eq!((&lines[0]["principal"], &lines[0]["jobs"]), (&Value::from("alice"), &Value::from(1)));
    assert!(lines[0]["last_event_seq"].is_u64() && lines[0]["dialect"].is_string(), "{lines:?}");
    assert!(lines[0].get("resumable_until").is_none() && lines[2]["resumable_until"].is_string(), "{lines:?}");

    // The sessions of other principals are not listed.
    assert!(!runtime.run(&["sessions", "--token", "tok-bob"]).stdout.contains("alice"));
    for wrong in [&["--limit", "0"][..], &["--limit", "1", "--all"]] {
        assert_eq!(runtime.run(&[&["sessions"], wrong].concat()).code, Some(2), "{wrong:?}");
    }
    runtime.gate.open(1);
    assert_eq!(waiting.end().code, Some(0));
}
