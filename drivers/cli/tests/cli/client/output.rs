//! What `submit` and `tail` show of a job, and how.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};

use nuncio_tokio::arcp::Time;
use serde_json::{Value, json};

use super::runtime::{Done, Runtime};

/// The lines about events on stderr, each as its time, its number and the rest.
fn events(done: &Done) -> Vec<(String, u64, String)> {
    let parse = |line: &str| {
        let (time, rest) = line.split_once(" #")?;
        let (number, text) = rest.split_once(' ')?;
        Some((time.to_owned(), number.parse().ok()?, text.to_owned()))
    };
    done.stderr.lines().filter_map(parse).collect()
}

#[test]
fn lines_begin_with_the_time_since_the_job_was_accepted_or_in_full() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "kinds"]);
    assert_eq!(events(&done).len(), 10, "{}", done.stderr);
    for (time, ..) in events(&done) {
        let since = time.strip_prefix('+').and_then(|time| time.strip_suffix('s')).unwrap_or_else(|| panic!("{time}"));
        since.parse::<f64>().unwrap_or_else(|_| panic!("{time}"));
    }
    assert!(done.stderr.contains("the job succeeded after "), "{}", done.stderr);

    let done = runtime.run(&["submit", "kinds", "--timestamps"]);
    assert_eq!(events(&done).len(), 10, "{}", done.stderr);
    for line in done.stderr.lines() {
        let (time, _) = line.split_once(' ').unwrap();
        assert!(Time::parse_rfc3339(time).is_some(), "{line}");
    }
    assert!(done.stderr.lines().last().unwrap().ends_with(" the job succeeded"), "{}", done.stderr);
}

#[test]
fn kinds_of_events_can_be_chosen() {
    let runtime = Runtime::start();
    let kinds = |done: &Done| -> Vec<String> {
        events(done).iter().map(|(_, _, text)| text.split(' ').next().unwrap().to_owned()).collect()
    };
    let done = runtime.run(&["submit", "kinds", "--kinds", "thought,x-vendor.acme.custom", "--kinds", "progress"]);
    assert_eq!(
        (done.code, kinds(&done)),
        (Some(0), vec!["thought".into(), "progress".into(), "x-vendor.acme.custom".into()])
    );
    assert_eq!(done.stdout, "{\"ok\":true}\n");
    let done = runtime.run(&["submit", "kinds", "--json", "--kinds", "log"]);
    let shown: Vec<Value> = done.lines().into_iter().filter(|line| line["type"] == "event").collect();
    assert!(shown.len() == 2 && shown.iter().all(|line| line["kind"] == "log"), "{}", done.stdout);
    let done = runtime.run(&["submit", "kinds", "--kinds", "logs"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("log, thought, tool_call"), "{}", done.stderr);
}

#[test]
fn quiet_prints_the_result_and_what_goes_wrong() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "echo", "--quiet"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "{\"echoed\":null}\n", ""));
    let done = runtime.run(&["submit", "fail", "-q"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("INTERNAL_ERROR: out of paper"), "{}", done.stderr);
    let done = runtime.run(&["submit", "echo", "--detach", "-q"]);
    assert!(done.stdout.starts_with("job_") && done.stderr.is_empty(), "{done:?}");
    let done = runtime.run(&["tail", done.stdout.trim(), "-q"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(runtime.run(&["submit", "echo", "--json", "--quiet"]).code, Some(2));
}

#[test]
fn a_result_that_is_a_string_can_be_printed_as_its_text() {
    let runtime = Runtime::start();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let done = runtime.run(&["submit", "traced", "--raw", "--trace-id", trace]);
    assert_eq!((done.code, done.stdout), (Some(0), format!("{trace}\n")));
    let path = runtime.path("result");
    let done = runtime.run(&["submit", "traced", "-r", "--trace-id", trace, "--output", &path]);
    assert_eq!((done.code, fs::read_to_string(&path).unwrap()), (Some(0), format!("{trace}\n")));
    assert_eq!(runtime.run(&["submit", "echo", "--raw"]).stdout, "{\"echoed\":null}\n", "other values are JSON");
    assert_eq!(runtime.run(&["submit", "binary", "--raw"]).code, Some(0), "a streamed result is raw in any case");
}

/// As with `2>&1`: each line of stderr is one, and the result is whole.
#[cfg(unix)]
#[test]
fn a_result_without_a_newline_does_not_run_into_the_next_line_of_the_same_pipe() {
    let runtime = Runtime::start();
    let together = |arguments: &[&str]| {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut command = runtime.command(arguments);
        let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        drop(command);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert!(child.wait().unwrap().success(), "{read}");
        read
    };
    for agent in ["unended", "pieces"] {
        runtime.gate.open(1);
        let read = together(&["submit", agent, "--raw"]);
        let mut lines = read.lines().rev();
        assert!(lines.next().unwrap().starts_with("the job succeeded after "), "{read}");
        assert_eq!(lines.next(), Some("first last"), "no line is empty: {read:?}");
    }
    assert_eq!(together(&["submit", "unended", "--raw", "--quiet"]), "first last", "nothing follows it");
    // Apart, stdout has the result alone.
    let done = runtime.run(&["submit", "unended", "--raw"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "first last"));
    assert!(done.stderr.lines().all(|line| !line.is_empty()), "{}", done.stderr);
}

#[test]
fn levels_have_colours_where_they_are_wanted() {
    let runtime = Runtime::start();
    let warning = "\u{1b}[33mwarn\u{1b}[0m: red";
    let shown = |arguments: &[&str]| runtime.run(&[&["submit", "kinds"][..], arguments].concat()).stderr;
    assert!(shown(&["--color", "always"]).contains(warning), "{:?}", shown(&["--color", "always"]));
    for plain in [&[][..], &["--color=auto"], &["--color", "never"]] {
        assert!(!shown(plain).contains('\u{1b}'), "{plain:?}");
    }
    let wide = runtime.run(&["--color", "always", "jobs"]);
    assert!(wide.stdout.contains('\u{1b}'), "it is an option of every command: {wide:?}");
    assert_eq!(runtime.run(&["jobs", "--color", "blue"]).code, Some(2));
}

#[test]
fn from_takes_the_numbers_that_tail_prints() {
    let runtime = Runtime::start();
    runtime.gate.open(1);
    // Events of the child are numbered among those of the parent where the job was submitted.
    let submitted = runtime.run(&["submit", "parent", "--lease", r#"{"agent.delegate":["echo"]}"#, "--json"]);
    let job = submitted.lines()[0]["job_id"].as_str().unwrap().to_owned();
    let untimed = |done: &Done| -> Vec<(u64, String)> {
        events(done).into_iter().map(|(_, number, text)| (number, text)).collect()
    };
    let all = untimed(&runtime.run(&["tail", &job]));
    assert!(all.len() >= 2, "{all:?}");
    for (place, (number, _)) in all.iter().enumerate() {
        let since = runtime.run(&["tail", &job, "--from", &number.to_string()]);
        assert_eq!(untimed(&since), all[place + 1..], "after #{number}");
    }
    let lines = runtime.run(&["tail", &job, "--json", "--from", &all[0].0.to_string()]).lines();
    assert_eq!(lines[0]["numbering"], "session");
    assert!(lines[0]["session_id"].as_str().unwrap().starts_with("sess_"));
    let numbers: Vec<&Value> = lines.iter().filter(|line| line["type"] == "event").map(|line| &line["seq"]).collect();
    assert_eq!(numbers, all[1..].iter().map(|(number, _)| number).collect::<Vec<_>>());
}

#[test]
fn the_session_of_a_job_is_shown() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "waits"]);
    let line = submit.until("accepted ");
    let (job, session) =
        line.trim_end().strip_prefix("accepted ").and_then(|rest| rest.split_once(" waits, session ")).unwrap();
    assert!(session.starts_with("sess_"), "{line}");
    let wide = runtime.run(&["jobs", "--wide"]).stdout;
    assert!(wide.lines().any(|line| line.contains(job) && line.contains(session)), "{wide}");
    let listed = runtime.run(&["jobs", "--json"]).lines();
    assert_eq!(listed[0]["session_id"], session);
    let described = runtime.run(&["describe", job]).stdout;
    assert!(described.contains(session), "{described}");
    runtime.gate.open(1);
    assert_eq!(submit.end().code, Some(0));
    let accepted = runtime.run(&["submit", "echo", "--json"]).lines().swap_remove(0);
    assert_eq!(accepted["numbering"], "session");
    assert!(accepted["session_id"].as_str().unwrap().starts_with("sess_"), "{accepted}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_closes_stdout_is_no_error() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "steps", "--json"]);
    let mut out = BufReader::new(submit.child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let job = serde_json::from_str::<Value>(&line).unwrap()["job_id"].as_str().unwrap().to_owned();
    let mut tail = runtime.start_command(&["tail", &job, "--json"]);
    drop(out);
    drop(tail.child.stdout.take());
    runtime.gate.open(4);
    let stderr = submit.until("the job goes on");
    assert_eq!(stderr, "nuncio: stdout was closed; the job goes on\n");
    submit.until("nuncio tail ");
    assert!(submit.child.wait().unwrap().success());
    assert!(tail.child.wait().unwrap().success());
    let done = runtime.run(&["tail", &job]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "{\"steps\":4}\n"));

    // The job's status counts when only its result is missing.
    for (agent, code) in [("echo", 0), ("fail", 1)] {
        let mut command = runtime.command(&["submit", agent, "--json", "--kinds", "thought"]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("cannot write"), "{stderr}");
        assert!([Some(0), Some(code)].contains(&output.status.code()), "{stderr}");
    }
    let mut command = runtime.command(&["jobs"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert_eq!(json!(runtime.run(&["jobs", "--json"]).lines().len()), json!(3));
}
