//! `nuncio submit`: results and exit codes.

use std::fs;

use super::runtime::Runtime;

#[test]
fn success_is_0_and_the_result_is_on_stdout() {
    let done = Runtime::start().run(&["submit", "echo", "--input", r#"{"a":1.5}"#]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "{\"echoed\":{\"a\":1.5}}\n"));
    assert!(done.stderr.contains("echo started"), "{}", done.stderr);
}

#[test]
fn a_failed_job_is_1() {
    let done = Runtime::start().run(&["submit", "fail", "--input", r#""out of ink""#]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains("INTERNAL_ERROR: out of ink"), "{}", done.stderr);
}

#[test]
fn invalid_usage_is_2_and_says_what_is_valid() {
    let runtime = Runtime::start();
    for (arguments, advice) in [
        (&["echo", "--input", "hello"][..], "with its quotes"),
        (&["echo", "--input", "@/no/such/file"], "cannot read /no/such/file"),
        (&["echo", "--lease", "[1]"], "not a JSON object"),
        (&["echo", "--budget", "five"], "USD:5"),
        (&["echo", "--budget", "USD:1", "--lease", r#"{"cost.budget":["USD:2"]}"#], "not both"),
        (&["echo", "--expires-in", "soon"], "10m"),
        (&["echo", "--max-runtime", "0"], "shortest runtime is 1s"),
        (&["echo", "--trace-id", "0"], "32 lower-case"),
        (&["echo", "--idempotency-key", ""], "1 to 256 bytes"),
        (&["echo", "--detach", "--output", "file"], "--detach"),
        (&["echo", "--url", "http://127.0.0.1:1"], "ws://"),
    ] {
        let done = runtime.run(&[&["submit"], arguments].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(advice), "{arguments:?}: {}", done.stderr);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_job_which_is_3() {
    let runtime = Runtime::start();
    let mut running = runtime.start_command(&["submit", "waits"]);
    running.until("waiting");
    running.interrupt();
    let done = running.end();
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("cancelling the job"), "{}", done.stderr);
    assert!(runtime.run(&["jobs"]).stdout.contains("cancelled"));
}

#[test]
fn a_job_that_times_out_is_4() {
    let done = Runtime::start().run(&["submit", "waits", "--max-runtime", "1s"]);
    assert_eq!(done.code, Some(4), "{}", done.stderr);
    assert!(done.stderr.contains("--max-runtime"), "{}", done.stderr);
}

#[test]
fn a_refusal_is_5_and_says_what_to_do() {
    let runtime = Runtime::start();
    for (arguments, advice) in [
        (&["nobody"][..], "AGENT_NOT_AVAILABLE"),
        (&["nobody"], "the runtime offers asks, binary, breaks, echo, "),
        (&["echo@2"], "the runtime offers it without a version: submit echo\n"),
        (&["echo", "--lease", r#"{"no.such":["x"]}"#], "INVALID_REQUEST"),
        (&["echo", "--token", "tok-mallory"], "check the token"),
    ] {
        let done = runtime.run(&[&["submit"], arguments].concat());
        assert_eq!(done.code, Some(5), "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(advice), "{arguments:?}: {}", done.stderr);
    }
    let with_key = |input| runtime.run(&["submit", "echo", "--idempotency-key", "k", "--input", input]);
    assert_eq!(with_key("1").code, Some(0));
    assert_eq!(with_key("1").stdout, "{\"echoed\":1}\n", "the same job");
    let other = with_key("2");
    assert_eq!(other.code, Some(5));
    assert!(
        other.stderr.trim_end().ends_with("used with other parameters; choose a new key"),
        "once: {}",
        other.stderr
    );
}

#[test]
fn a_missing_version_is_told_which_ones_there_are() {
    let serving = crate::support::Serving::start(&["--token", "t=me", "--agent", "v@1=true", "--agent", "v@2=true"]);
    let refused = serving.submit("t", &["v@3"]);
    let said = crate::support::stderr(&refused);
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(
        said.trim_end().ends_with(r#"the agent "v" has no version "3"; the runtime offers its versions 1, 2"#),
        "{said}"
    );
}

#[test]
fn an_option_says_how_it_is_written() {
    let refused = |arguments: &[&str]| {
        let output = crate::support::run(&[&["submit", "echo"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        crate::support::stderr(&output).to_owned()
    };
    for runtime in ["1.5s", "500ms"] {
        let said = refused(&["--max-runtime", runtime]);
        assert!(said.contains("write whole seconds, such as 90s or 10m"), "{said}");
    }
    let said = refused(&["--lease", "tool"]);
    assert!(said.contains(r#"write it as {"tool.call":["search"]}, or a file as @FILE"#), "{said}");
    assert!(!said.contains("with its quotes"), "{said}");
}

#[test]
fn an_unknown_namespace_is_told_which_ones_there_are() {
    let refused = Runtime::start().run(&["submit", "echo", "--lease", r#"{"nope":["x"]}"#]);
    assert_eq!(refused.code, Some(5));
    for namespace in ["fs.read", "fs.write", "net.fetch", "tool.call", "agent.delegate", "model.use", "x-vendor."] {
        assert!(refused.stderr.contains(namespace), "{}", refused.stderr);
    }
}

#[test]
fn an_end_names_the_option_that_allows_more_time() {
    let done = Runtime::start().run(&["submit", "waits", "--expires-in", "1s"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("LEASE_EXPIRED") && done.stderr.contains("--expires-in"), "{}", done.stderr);
}

#[test]
fn a_result_that_cannot_be_written_is_7() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "echo", "--output", "/no/such/folder/file"]);
    assert_eq!(done.code, Some(7), "{}", done.stderr);
    let error = "nuncio: cannot write /no/such/folder/file: No such file or directory (os error 2); check that the path is right\n";
    assert_eq!(done.stderr, error);
    assert!(runtime.run(&["jobs"]).stdout.is_empty(), "nothing was submitted");
    #[cfg(target_os = "linux")]
    {
        let mut command = runtime.command(&["submit", "echo"]);
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(7));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("`nuncio tail job_"), "it says how to get the result: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_leaves_at_once_which_is_130() {
    let runtime = Runtime::start();
    let mut running = runtime.start_command(&["submit", "stubborn"]);
    running.until("not listening");
    running.interrupt();
    running.until("cancelling the job");
    running.interrupt();
    let done = running.end();
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    assert!(done.stderr.contains("may still be running"), "{}", done.stderr);
    runtime.gate.open(1);
}

#[test]
fn the_input_may_be_in_a_file_or_on_stdin() {
    let runtime = Runtime::start();
    let path = runtime.path("input.json");
    fs::write(&path, "[1,\n 2]\n").unwrap();
    let done = runtime.run(&["submit", "echo", "--input", &format!("@{path}")]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&done.stdout).unwrap()["echoed"], serde_json::json!([1, 2]));
    let mut command = runtime.command(&["submit", "echo", "--input", "-"]);
    let output = command.stdin(fs::File::open(&path).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn lease_budget_and_expiry_reach_the_agent() {
    let runtime = Runtime::start();
    runtime.gate.open(2);
    let lease = r#"{"net.fetch":["https://example.com/**"]}"#;
    let budget = ["--budget", "USD:5", "--budget", "EUR:0.5"];
    let wanted = [&["submit", "spends", "--lease", lease, "--expires-in", "1h30m"][..], &budget].concat();
    let done = runtime.run(&wanted);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("cost.budget.remaining 3.25 USD"), "{}", done.stderr);
    let left: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert!((5_000..=5_400).contains(&left["time_left"].as_u64().unwrap()), "{left}");
    runtime.gate.open(2);
    let accepted = runtime.run(&[&wanted[..], &["--json"]].concat()).lines().swap_remove(0);
    assert_eq!(accepted["lease"]["net.fetch"], serde_json::json!(["https://example.com/**"]));
    assert_eq!(accepted["budget"], serde_json::json!({"EUR": "0.5", "USD": "5"}));
}

#[test]
fn the_trace_id_may_be_a_traceparent() {
    let (id, parent) = ("0af7651916cd43dd8448eb211c80319c", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let runtime = Runtime::start();
    for given in [id, parent] {
        assert_eq!(runtime.run(&["submit", "traced", "--trace-id", given]).stdout, format!("\"{id}\"\n"));
    }
}

#[test]
fn a_streamed_result_is_on_stdout_byte_for_byte_as_it_arrives() {
    use std::io::Read as _;
    let runtime = Runtime::start();
    let mut running = runtime.start_command(&["submit", "pieces"]);
    let mut first = [0; 6];
    running.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first ");
    runtime.gate.open(1);
    let done = running.end();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "last\n"));
    let output = runtime.command(&["submit", "binary"]).output().unwrap();
    assert_eq!(output.stdout, b"text \x1b[2J\x00\xff\n");
}

#[test]
fn a_file_has_the_complete_result_or_is_not_touched() {
    let runtime = Runtime::start();
    let path = runtime.path("result");
    fs::write(&path, "before").unwrap();
    let done = runtime.run(&["submit", "breaks", "--output", &path]);
    assert_eq!((done.code, fs::read_to_string(&path).unwrap().as_str()), (Some(1), "before"));
    let done = runtime.run(&["submit", "binary", "-o", &path]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    assert_eq!(fs::read(&path).unwrap(), b"text \x1b[2J\x00\xff\n");
    let done = runtime.run(&["submit", "echo", "-o", &path]);
    assert_eq!((done.code, fs::read_to_string(&path).unwrap().as_str()), (Some(0), "{\"echoed\":null}\n"));
    let mut names: Vec<_> =
        fs::read_dir(runtime.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["nuncio", "result"], "no other file is left, besides the folder of saved sessions");
    assert_eq!(runtime.run(&["submit", "echo", "-o", "/dev/null"]).code, Some(0));
}

#[test]
fn events_are_lines_without_control_characters() {
    let done = Runtime::start().run(&["submit", "kinds"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // Without the time, which differs.
    let untimed =
        |line: &'_ str| line.strip_prefix('+').and_then(|line| line.split_once(' ')).map(|(_, line)| line.to_owned());
    let lines: Vec<String> = done.stderr.lines().filter_map(untimed).collect();
    let short: Vec<&str> = lines.iter().map(|line| line.get(..90).unwrap_or(line)).collect();
    insta::assert_snapshot!(short.join("\n"), @r##"
    #1 status running
    #2 log warn: red \u{1b}[31malert\u{1b}[2J {"k":1}
    #3 thought two lines
    #4 tool_call search.web {"q":"x"} (c1)
    #5 tool_result (c1) {"hits":1}
    #6 status phase-1: a message
    #7 metric rows 12 rows
    #8 progress 1/2 units, half
    #9 x-vendor.acme.custom {"anything":[1,2,3]}
    #10 log info: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    "##);
    assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
    assert!(lines.iter().all(|line| line.len() < 600), "long values are shortened");
}

#[test]
fn delegated_jobs_are_shown_too() {
    let runtime = Runtime::start();
    runtime.gate.open(1);
    let done = runtime.run(&["submit", "parent", "--lease", r#"{"agent.delegate":["echo"]}"#]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout, "{\"child\":\"{\\\"echoed\\\":\\\"from the parent\\\"}\"}\n");
    for part in ["delegated job_", "echo: log info: echo started", "echo succeeded"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}
