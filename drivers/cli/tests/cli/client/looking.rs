//! What there is and how it goes: `agents`, `describe`, `wait`, `top`, and parts of ids.

use serde_json::{Value, json};

use super::runtime::{Done, Runtime};
use crate::support::{Serving, nuncio};

/// Submits a job and waits for its end. Returns its id.
fn ended(runtime: &Runtime, arguments: &[&str]) -> String {
    let lines = runtime.run(&[&["submit", "--json"], arguments].concat()).lines();
    lines[0]["job_id"].as_str().unwrap().to_owned()
}

#[test]
fn agents_are_listed() {
    let runtime = Runtime::start();
    let listed = runtime.run(&["agents"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(listed.stdout.starts_with("AGENT "), "{}", listed.stdout);
    assert!(listed.stdout.lines().any(|line| line.split_whitespace().eq(["echo", "-", "-"])), "{}", listed.stdout);
    let lines = runtime.run(&["agents", "--json"]).lines();
    assert!(lines.contains(&json!({"name": "echo", "versions": []})), "{lines:?}");
}

#[test]
fn a_list_says_how_long_jobs_took_and_why_they_failed() {
    let runtime = Runtime::start();
    ended(&runtime, &["fail"]);
    let (narrow, wide) = (runtime.run(&["jobs"]), runtime.run(&["jobs", "--wide"]));
    let row = narrow.stdout.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert!(row[3].ends_with('s') && row[4].ends_with('s'), "its age, and how long it took: {row:?}");
    let line = &runtime.run(&["jobs", "--json"]).lines()[0];
    let (code, message) = (line["code"].as_str().unwrap(), line["message"].as_str().unwrap());
    // What a terminal shows of it is tested there.
    assert!(narrow.stdout.contains(&format!("{code}: {message}")), "{}", narrow.stdout);
    assert!(wide.stdout.contains(message) && wide.stdout.contains("LAST SEQ"), "{}", wide.stdout);
    assert!(line["completed_at"].is_string(), "{line}");
}

#[test]
fn a_job_is_described() {
    let runtime = Runtime::start();
    let failed = ended(&runtime, &["fail", "--lease", r#"{"tool.call":["search"],"cost.budget":["USD:2.00"]}"#]);
    let described = runtime.run(&["describe", &failed]);
    assert_eq!(described.code, Some(0), "{}", described.stderr);
    let line = |name: &str| {
        let line = described.stdout.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.unwrap_or_else(|| panic!("{name}: {}", described.stdout)).to_owned()
    };
    assert_eq!(
        (line("job "), line("agent "), line("status ")),
        (failed.clone(), "fail".to_owned(), "error".to_owned())
    );
    assert!(line("created ").ends_with(" ago") && line("ended ").contains(", after "), "{}", described.stdout);
    assert!(line("lease ").contains("search") && line("budget left ").contains("USD 2"), "{}", described.stdout);
    let end = failed.get(failed.len() - 8..).unwrap().to_lowercase();
    let json = &runtime.run(&["describe", &end, "--json"]).lines()[0];
    assert_eq!((&json["job_id"], &json["status"]), (&json!(failed), &json!("error")));
    assert_eq!(line("error "), format!("{}: {}", text(&json["error"]["code"]), text(&json["error"]["message"])));
    assert_eq!(runtime.run(&["describe", "job_unknown"]).code, Some(5));
    let done = ended(&runtime, &["echo", "--input", "7"]);
    let described = runtime.run(&["describe", &done]);
    assert!(described.stdout.contains(r#"result      {"echoed":7}"#), "{}", described.stdout);
    let json = &runtime.run(&["describe", &done, "--json"]).lines()[0];
    assert_eq!(json["result"], json!({"echoed": 7}));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_live_job_is_described_with_its_questions() {
    let runtime = Runtime::start();
    let input = r#"[{"prompt": "Send it?", "choices": ["yes", "no"]}]"#;
    let mut asking = runtime.start_command(&["submit", "asks", "--input", input]);
    let job = asking.accepted();
    asking.until("x-vendor.nuncio.question");
    let described = runtime.run(&["describe", &job]);
    assert!(described.stdout.contains("question    q1 Send it? (yes | no)"), "{}", described.stdout);
    assert!(described.stdout.contains("status      running, asking\n"), "{}", described.stdout);
    let listed = runtime.run(&["jobs", "--status", "running"]);
    assert!(listed.stdout.contains(" asking "), "{}", listed.stdout);
    let line = &runtime.run(&["jobs", "--json"]).lines()[0];
    assert_eq!((&line["status"], &line["phase"]), (&json!("running"), &json!("asking")));
    assert_eq!(runtime.run(&["answer", &job, "yes"]).code, Some(0));
    assert_eq!(asking.end().code, Some(0));
}

#[test]
fn a_running_job_is_described_with_its_last_progress() {
    let runtime = Runtime::start();
    let mut climbing = runtime.start_command(&["submit", "steps"]);
    let job = climbing.accepted();
    runtime.gate.open(1);
    climbing.until("2/4 steps");
    let described = runtime.run(&["describe", &job]);
    let line = described.stdout.lines().find(|line| line.starts_with("progress ")).unwrap();
    assert!(line.starts_with("progress    2/4 steps, climbing, ") && line.ends_with(" ago"), "{line}");
    let json = &runtime.run(&["describe", &job, "--json"]).lines()[0];
    assert_eq!(json["progress"], json!({"current": 2, "total": 4, "units": "steps", "message": "climbing"}));
    assert!(text(&json["progress_at"]).ends_with('Z'), "{json}");
    runtime.gate.open(3);
    assert_eq!(climbing.end().code, Some(0));
    let described = runtime.run(&["describe", &job]);
    assert!(!described.stdout.contains("progress"), "it has ended: {}", described.stdout);
    let waits = runtime.start_command(&["submit", "waits"]).accepted();
    let described = runtime.run(&["describe", &waits]);
    assert_eq!(described.code, Some(0), "{}", described.stderr);
    assert!(!described.stdout.contains("progress"), "it has reported none: {}", described.stdout);
}

#[test]
fn the_progress_of_a_job_and_the_number_of_its_last_event_are_of_one_moment() {
    let serving = Serving::start(&["--token", "t=me"]);
    let run = |arguments: &[&str]| -> Done {
        nuncio(&[arguments, &["--url", &serving.url, "--token", "t"]].concat()).output().unwrap().into()
    };
    let job = run(&["submit", "slow", "--input", r#"{"ticks":1000000,"tick_ms":10}"#, "--detach"]).stdout;
    let json = &run(&["describe", job.trim(), "--json"]).lines()[0];
    // Each tick is an event.
    let (last, tick) = (json["last_event_seq"].as_u64().unwrap(), json["progress"]["current"].as_u64().unwrap());
    assert!(last > tick, "{json}");
}

#[test]
fn a_job_is_described_without_its_secrets() {
    let runtime = Runtime::start();
    let mut waiting = runtime.start_command(&["submit", "waits-with-key"]);
    let job = waiting.accepted();
    waiting.until("waiting");
    let (lines, json) = (runtime.run(&["describe", &job]), runtime.run(&["describe", &job, "--json"]));
    assert!(lines.stdout.contains("credential  cred_1 for http://127.0.0.1:9/v1"), "{}", lines.stdout);
    assert_eq!(json.lines()[0]["credentials"], json!([{"id": "cred_1", "endpoint": "http://127.0.0.1:9/v1"}]));
    assert!(!lines.stdout.contains("sk-first") && !json.stdout.contains("sk-first"), "{}", json.stdout);
    runtime.gate.open(1);
    assert_eq!(waiting.end().code, Some(0));
}

#[test]
fn the_session_of_a_job_is_shown_after_its_end() {
    let serving = Serving::start(&["--token", "t=me", "--resume-window", "1s"]);
    let run = |arguments: &[&str]| -> Done {
        nuncio(&[arguments, &["--url", &serving.url, "--token", "t"]].concat()).output().unwrap().into()
    };
    let lines = run(&["submit", "echo", "--json", "--max-runtime", "90s"]).lines();
    let [job, session] = ["job_id", "session_id"].map(|member| text(&lines[0][member]).to_owned());
    let row = loop {
        let row = run(&["jobs", "--json"]).lines().remove(0);
        assert_eq!((&row["session_id"], &row["max_runtime_sec"]), (&json!(session), &json!(90)));
        if row["session_closed"] == true {
            break row;
        }
    };
    assert_eq!(row["job_id"], json!(job));
    let wide = run(&["jobs", "--wide"]);
    assert!(wide.stdout.contains(&format!("{session} (over)")), "{}", wide.stdout);
    let described = run(&["describe", &job]);
    for line in [format!("session     {session}, which is over\n"), "max runtime 1m 30s\n".to_owned()] {
        assert!(described.stdout.contains(&line), "{line}: {}", described.stdout);
    }
}

#[test]
fn a_part_of_an_id_stands_for_a_job() {
    let runtime = Runtime::start();
    let (one, other) = (ended(&runtime, &["echo"]), ended(&runtime, &["echo"]));
    let end = other.get(other.len() - 6..).unwrap();
    let tailed = runtime.run(&["tail", end]);
    assert_eq!(tailed.code, Some(0), "{}", tailed.stderr);
    assert!(tailed.stderr.contains(&other), "{}", tailed.stderr);
    for command in [&["tail", "job_0"][..], &["describe", "job_0"], &["wait", "job_0"], &["cancel", "job_0"]] {
        let refused = runtime.run(command);
        assert_eq!(refused.code, Some(2), "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(&one) && refused.stderr.contains(&other), "{}", refused.stderr);
    }
    assert_eq!(runtime.run(&["answer", "job_0", "yes"]).code, Some(2));
    assert_eq!(runtime.run(&["questions", "job_0"]).code, Some(2));
}

#[test]
fn a_wait_ends_with_its_jobs() {
    let runtime = Runtime::start();
    let (echo, fail) = (ended(&runtime, &["echo"]), ended(&runtime, &["fail"]));
    let waited = runtime.run(&["wait", &echo]);
    assert_eq!((waited.code, waited.stdout), (Some(0), format!("{echo} success\n")), "{}", waited.stderr);
    let waited = runtime.run(&["wait", &echo, &fail]);
    assert_eq!(waited.code, Some(1), "one of them failed");
    assert!(waited.stdout.contains(&format!("{fail} error")), "{}", waited.stdout);

    let mut running = runtime.start_command(&["submit", "waits"]);
    let job = running.accepted();
    running.until("waiting");
    let waited = runtime.run(&["wait", &job, "--timeout", "10ms"]);
    assert_eq!((waited.code, waited.stdout.as_str()), (Some(4), ""), "{}", waited.stderr);
    let mut waiting = runtime.start_command(&["wait", &job]);
    runtime.gate.open(1);
    assert_eq!(waiting.read_out("success"), format!("{job} success"));
    assert_eq!((waiting.end().code, running.end().code), (Some(0), Some(0)));
    assert_eq!(runtime.run(&["wait", "job_unknown"]).code, Some(5));
}

#[cfg(unix)]
#[test]
fn top_shows_what_runs() {
    let runtime = Runtime::start();
    ended(&runtime, &["echo"]);
    let mut top = runtime.start_command(&["top", "--interval", "10ms"]);
    assert_eq!(top.read_out("running").trim(), "0 running, 0 pending, 0 open questions");
    let mut job = runtime.start_command(&["submit", "waits"]);
    let id = job.accepted();
    assert_eq!(top.read_out("1 running").trim(), "1 running, 0 pending, 0 open questions");
    assert!(top.read_out(&id).contains("waits"));
    top.interrupt();
    let done = top.end();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!done.stdout.contains("echo"), "ended jobs are not shown: {}", done.stdout);
    runtime.gate.open(1);
    assert_eq!(job.end().code, Some(0));
}

#[test]
fn the_end_of_the_time_to_wait_says_what_goes_on() {
    let runtime = Runtime::start();
    let mut job = runtime.start_command(&["submit", "waits"]);
    let id = job.accepted();
    let waited = runtime.run(&["wait", &id, "--timeout", "1ms"]);
    assert_eq!(waited.code, Some(4), "{}", waited.stderr);
    assert_eq!(waited.stderr.trim(), "nuncio: --timeout has passed; jobs that have not ended continue");
    runtime.gate.open(1);
    assert_eq!(job.end().code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_end_that_cannot_be_printed_is_an_error_and_a_closed_reader_is_none() {
    let runtime = Runtime::start();
    let job = ended(&runtime, &["fail"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let done: Done = runtime.command(&["wait", &job]).stdout(full).output().unwrap().into();
    assert_eq!(done.code, Some(7), "{}", done.stderr);
    assert!(done.stderr.contains("cannot write stdout"), "{}", done.stderr);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done: Done = runtime.command(&["wait", &job]).stdout(writer).output().unwrap().into();
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""), "the job has failed");
}

#[test]
fn a_job_that_is_not_known_is_said_once() {
    let runtime = Runtime::start();
    for command in [&["describe"][..], &["tail"], &["wait"], &["cancel"], &["questions"]] {
        let refused = runtime.run(&[command, &["job_unknown"]].concat());
        assert_eq!(refused.code, Some(5), "{command:?}: {}", refused.stderr);
        let said = "nuncio: the runtime refused the request: JOB_NOT_FOUND: there is no such job; `nuncio jobs` lists the jobs that \
             you may see\n";
        assert_eq!(refused.stderr, said, "{command:?}");
    }
}
