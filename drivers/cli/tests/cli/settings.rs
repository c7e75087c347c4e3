//! Flags, configuration file, `--check` and `--stdio` of `nuncio serve`.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{Serving, nuncio, run, stderr, stdout};
use nuncio_tokio::arcp::{Client, Submit};
use serde_json::{Value, json};

/// A temporary configuration file of one test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).expect("a file");
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path that is text")
    }

    fn check(&self, more: &[&str]) -> Output {
        run(&[&["serve", "--check", "--config", self.path()][..], more].concat())
    }

    /// What `--check` says is wrong, without the path of the file.
    #[track_caller]
    fn complaint(&self) -> String {
        let output = self.check(&[]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{}", stderr(&output));
        stderr(&output).replace(self.path(), "FILE")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A file that stays does not disturb the next run.
        drop(std::fs::remove_file(&self.0));
    }
}

const WHOLE: &str = r#"
listen = "127.0.0.1:0"
path = "/jobs"
demo-agents = true
compat = "python-1.1"
drain = "1m"
kill-grace = "250ms"
ask = ["tool.call=payments.*", "agent.delegate=*"]

[security]
operator = ["bob"]
approver = ["alice", "bob"]
token = ["s3cret=alice", "s3cret2=alice", "t=bob"]

[agents."report@1.0.0"]
command = "sh -c 'echo one'"
default = true
max-concurrent = 2
restart = "rerun"

[agents."report@2.0.0"]
command = ["sh", "-c", "echo two"]

[agents.pretty]
command = "cat"
questions = false

[limits]
frame-bytes = "64 KiB"
jobs-per-session = 7
resume-window = "1h 30m"
cancel-grace = 20
"#;

#[test]
fn check_prints_what_would_be_served() {
    let file = File::new("whole", WHOLE);
    let output = file.check(&["--agent", "pretty=sh", "--jobs-per-session", "8", "--restart", "pretty=fail"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    assert!(!stdout(&output).contains("s3cret"));
    insta::assert_snapshot!(stdout(&output).replace(file.path(), "FILE"), @r##"
    file     FILE
    listen   127.0.0.1:0, path /jobs
    tls      none
    compat   python-1.1
    login    tokens of alice, bob
    operator bob
    approver alice, bob
    agents   echo, slow, progress, chunks, fail (built in)
    agent    report@1.0.0: sh -c 'echo one'
    agent    report@2.0.0: sh -c 'echo two'
    agent    pretty: sh
    at once  2 of report
    restart  fail for pretty
    restart  rerun for report (no effect without a journal)
    ask      tool.call=payments.*
    ask      agent.delegate=*
    limit    frame-bytes = 64 KiB
    limit    jobs-per-session = 8
    limit    resume-window = 1h 30m
    limit    cancel-grace = 20s
    stopping drain = 1m, kill-grace = 250ms
    valid: it would be served
    "##);
}

#[cfg(target_os = "linux")]
#[test]
fn a_check_that_cannot_be_printed_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let output = nuncio(&["serve", "--check", "--demo-agents"]).stdout(full).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot write stdout"), "{}", stderr(&output));
}

#[test]
fn flags_take_precedence_over_the_file() {
    let file = File::new("served", &WHOLE.replace("compat = \"python-1.1\"", ""));
    let serving = Serving::start(&["--config", file.path(), "--token", "mine=me", "--path", "/mine"]);
    assert!(serving.url.ends_with("/mine"), "{}", serving.url);
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(5), "the tokens of the file are replaced");
    let report = serving.submit("mine", &["report"]);
    assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
    assert!(stderr(&report).contains("info: one"), "{}", stderr(&report));
    let filter = serving.submit("mine", &["pretty", "--input", r#"{"result": {"a": 1}}"#]);
    assert_eq!(stdout(&filter).trim_end(), r#"{"a": 1}"#, "{}", stderr(&filter));
}

#[test]
fn an_error_in_the_file_is_reported_with_its_position() {
    let unknown = File::new("unknown", "listen = \"127.0.0.1:0\"\nlissen = 1\n");
    insta::assert_snapshot!(unknown.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 2, column 1: unknown field `lissen` (did you mean `listen`?); see nuncio serve --help"##);
    let syntax = File::new("syntax", "[limits]\njobs = = 1\n");
    insta::assert_snapshot!(syntax.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 2, column 8: jobs: a line must have a key, `=` and a value; for example jobs = 100000; see nuncio serve --help"##);
    let span = File::new("span", "drain = \"10 parsecs\"\n");
    insta::assert_snapshot!(span.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 1, column 9: drain: write a duration as 90s, 10m, 1h 30m, 7d or 250ms; a number without a unit is seconds; for example drain = "10s"; see nuncio serve --help"##);
    let token = File::new("token", "[security]\ntoken = [\"s3cret\"]\n");
    insta::assert_snapshot!(token.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 2, column 9: token: write it as TOKEN=PRINCIPAL; for example token = ["TOKEN=me@example.com"]; see nuncio serve --help"##);
    let moved = [
        ("token = [\"s3cret=a\"]\n", "line 1, column 1: token does not belong here, but in [security]"),
        ("jobs-per-session = 1\n", "line 1, column 1: jobs-per-session does not belong here, but in [limits]"),
        ("cap-id = \"a\"\n", "line 1, column 1: cap-id does not belong here, but in [pool]"),
        ("command = \"sh\"\n", "command does not belong here, but in the table of an agent, such as [agents.report]"),
        (
            "[security]\nlisten = \"a\"\n",
            "line 2, column 1: listen does not belong here, but at the beginning of the file",
        ),
        ("[agents.a]\ncommand = \"sh\"\nframe-bytes = 1\n", "frame-bytes does not belong here, but in [limits]"),
    ];
    for (text, said) in moved {
        let complaint = File::new("moved", text).complaint();
        assert!(complaint.contains(said) && !complaint.contains("expected"), "{complaint}");
    }
    let secret = File::new("secret", "[security]\ntoken = \"s3cret=alice\"\n");
    assert!(!secret.complaint().contains("s3cret"), "{}", secret.complaint());
    let quotes = File::new("quotes", "[agents.a]\ncommand = \"sh -c 'x\"\n");
    insta::assert_snapshot!(quotes.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 2, column 11: command: the command cannot be split into words: missing closing quote; for example command = "python3 agent.py"; see nuncio serve --help"##);
    let limit = File::new("limit", "[limits]\nsessions = 0\n");
    insta::assert_snapshot!(limit.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 2, column 12: sessions: invalid value: integer `0`, expected a whole number that is at least 1; for example sessions = 10000; see nuncio serve --help"##);
}

#[test]
fn a_value_of_another_type_is_reported_with_the_form_that_is_expected() {
    for (text, expected) in [
        ("[agents]\nping = \"sh\"\n", "expected a table, such as [agents.report] with command = \"python3 agent.py\""),
        ("agents = 3\n", "expected tables, such as [agents.report]"),
        ("[agents.a]\npty = true\n", "missing field `command`; write command = \"python3 agent.py\""),
        (
            "[security]\ntoken = \"s3cret=me\"\n",
            "this value is not valid here, expected an array; for example token = [\"TOKEN=me@example.com\"]",
        ),
        ("security = 3\n", "expected a table, such as [security] with token-file = \"tokens\""),
        ("limits = 3\n", "expected a table, such as [limits] with jobs = 100"),
        ("pool = 3\n", "expected a table, such as [pool] with cap-id = \"front-1\""),
        ("[limits]\nframe-bytes = true\n", "expected a size, such as \"64 KiB\""),
        ("[limits]\nframe-bytes = \"lots\"\n", "string \"lots\", expected a size, such as \"64 KiB\""),
        ("journal-max = \"lots\"\n", "string \"lots\", expected a size, such as \"64 KiB\""),
        ("[limits]\nsessions = true\n", "expected a whole number that is at least 1"),
        ("stdio = \"yes\"\n", "expected true or false"),
        ("listen = 3\n", "expected a text in quotes; for example listen = \"127.0.0.1:7777\""),
        ("ask = \"tool.call=x\"\n", "expected an array; for example ask = [\"tool.call=payments.*\"]"),
        ("drain = true\n", "a duration is a string such as \"10m\""),
    ] {
        let complaint = File::new("forms", text).complaint();
        assert!(complaint.contains(expected), "{text}: {complaint}");
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
}

#[test]
fn an_invalid_configuration_is_reported_with_what_to_do() {
    let program = File::new("program", "[agents.a]\ncommand = \"/no/such/program\"\n");
    insta::assert_snapshot!(program.complaint(), @"nuncio: there is no program /no/such/program that can be run as the agent a; check that it is installed, on PATH and executable");
    let none = File::new("none", "");
    insta::assert_snapshot!(none.complaint(), @"nuncio: there are no agents; give --agent NAME=COMMAND, or --demo-agents to try nuncio out");
    let frame = File::new("frame", "demo-agents = true\n[limits]\nframe-bytes = \"1 KiB\"\n");
    insta::assert_snapshot!(frame.complaint(), @"nuncio: --frame-bytes 1 KiB is out of range: the minimum is 4 KiB");
    let versions = File::new("versions", "[agents.a]\ncommand = \"sh\"\n[agents.\"a@1\"]\ncommand = \"sh\"\n");
    insta::assert_snapshot!(versions.complaint(), @r##"
    nuncio: the agent "a" is there with a version and without; give each a version, as in a@1
    "##);
    let differ = "[agents.\"a@1\"]\ncommand = \"sh\"\nmax-concurrent = 1\n[agents.\"a@2\"]\ncommand = \"sh\"\nmax-concurrent = 2\n";
    insta::assert_snapshot!(File::new("differ", differ).complaint(), @r##"
    nuncio: the versions of agent "a" have different values of max-concurrent, which is one value for all versions; give it for one version only
    "##);
    let differ =
        differ.replace("max-concurrent = 1", "restart = \"rerun\"").replace("max-concurrent = 2", "restart = \"fail\"");
    insta::assert_snapshot!(File::new("restarts", &differ).complaint(), @r##"
    nuncio: the versions of agent "a" have different values of restart, which is one value for all versions; give it for one version only
    "##);
    let again = File::new("again", "[agents.a]\ncommand = \"sh\"\nrestart = \"again\"\n");
    insta::assert_snapshot!(again.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 3, column 11: restart: unknown variant `again`, expected `fail` or `rerun`; for example restart = "rerun"; see nuncio serve --help"##);
    let ask = File::new("ask", "ask = [\"tool=x\"]\n");
    insta::assert_snapshot!(ask.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 1, column 7: ask: "tool" is not a namespace of operations, such as tool.call, fs.write, net.fetch, model.use or agent.delegate; for example ask = ["tool.call=payments.*"]; see nuncio serve --help"##);
    let name = File::new("name", "[agents.\"@1\"]\ncommand = \"sh\"\n");
    insta::assert_snapshot!(name.complaint(), @r##"nuncio: the configuration file FILE is not valid: line 1, column 9: "@1" is not an agent; write NAME or NAME@VERSION; see nuncio serve --help"##);
    let missing = run(&["serve", "--config", "/no/such/file.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&missing), @"nuncio: cannot read the configuration file /no/such/file.toml: No such file or directory (os error 2); check that the path is right");
}

#[test]
fn invalid_flags_are_invalid_usage() {
    for flags in [
        &["--agent", "no-command"][..],
        &["--agent", "a="],
        &["--agent", "=sh"],
        &["--agent", "a=sh -c 'x"],
        &["--drain", "soon"],
        &["--frame-bytes", "much"],
        &["--path", "arcp"],
        &["--compat", "cobol"],
        &["--max-concurrent", "a=0"],
        &["--restart", "a=again"],
        &["--restart", "a"],
        &["--demo-agents", "--restart", "nobody=rerun"],
        &["--demo-agents", "--max-concurrent", "nobody=1"],
        &["--demo-agents", "--heartbeat-interval", "10ms"],
        &["--demo-agents", "--ask", "tool.call"],
        &["--demo-agents", "--ask", "tools=x"],
        &["--demo-agents", "--ask", "cost.budget=USD:1.00"],
        &["--demo-agents", "--ask", "fs.write=etc"],
        &["--demo-agents", "--connections", "0"],
        &["--demo-agents", "--shards", "0"],
    ] {
        let output = run(&[&["serve", "--check"][..], flags].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{flags:?}: {}", stderr(&output));
    }
}

#[test]
fn a_setting_of_an_agent_that_is_not_offered_is_reported() {
    for (agent, other) in [(["--agent", "a=sh"], "echo"), (["--agent", "a=sh"], "b"), (["--agent", "a@1=sh"], "b@1")] {
        for (option, value) in [("--max-concurrent", "1"), ("--restart", "rerun")] {
            let output = run(&[&["serve", "--check"], &agent[..], &[option, &format!("{other}={value}")]].concat());
            let said = format!("{option} names {other:?}, which is not an agent of this server");
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(stderr(&output).contains(&said), "{}", stderr(&output));
        }
    }
    for flags in [["--result", "cuont=stdout"], ["--pty", "cuont"], ["--restart", "cuont=rerun"]] {
        let output = run(&[&["serve", "--check", "--agent", "count=wc", "--agent", "b@1=sh"][..], &flags].concat());
        assert!(stderr(&output).ends_with("; its agents: count, b@1\n"), "{}", stderr(&output));
    }
    for (option, value) in [("--max-concurrent", "1"), ("--restart", "rerun")] {
        let output = run(&["serve", "--check", "--agent", "a@1=sh", option, &format!("a@1={value}")]);
        let said = format!("{option} has one value for all versions of an agent; write {option} a=VALUE");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(stderr(&output).contains(&said), "{}", stderr(&output));
    }
    let versions = ["serve", "--check", "--agent", "a@1=sh", "--agent", "a@2=sh"];
    let output = run(&[&versions[..], &["--result", "a@2=exit", "--pty", "a@1"]].concat());
    assert!(stdout(&output).contains("a@1: sh\n"), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("a@2: sh (the result is exit)\n"), "as in the file: {}", stdout(&output));
    for agent in [&["--demo-agents"][..], &["--agent", "echo=sh"]] {
        let output = run(&[&["serve", "--check", "--max-concurrent", "echo=1"], agent].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn an_invalid_address_is_reported() {
    let output = run(&["serve", "--check", "--demo-agents", "--listen", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("HOST:PORT"), "{}", stderr(&output));
}

#[test]
fn a_check_of_stdio_says_that_any_token_is_accepted() {
    let output = run(&["serve", "--check", "--demo-agents", "--stdio"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("login    any token\n"), "{}", stdout(&output));
}

#[test]
fn limits_are_applied() {
    let serving = Serving::start(&["--token", "t=me", "--result-bytes", "4 B"]);
    assert_eq!(serving.submit("t", &["chunks"]).status.code(), Some(1));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}

#[tokio::test]
async fn stdio_serves_the_process_that_started_it() {
    let started = nuncio(&["serve", "--stdio", "--demo-agents", "--agent", "it=sh -c 'echo {\\\"result\\\":7}'"]);
    let client = Client::spawn(started.into(), "anything").connect().await.expect("a session");
    let submit = Submit::new("echo").input(&json!({ "a": 1 }));
    for (submit, expected) in [(submit, json!({ "echoed": { "a": 1 } })), (Submit::new("it"), json!(7))] {
        let mut job = client.submit(&submit).await.expect("it is accepted");
        let result: Value = job.collect(1 << 20).await.expect("a result").json().expect("JSON");
        assert_eq!(result, expected);
    }
    client.close().await;
}

#[tokio::test]
async fn stdio_with_tokens_refuses_other_tokens() {
    let start = || nuncio(&["serve", "--stdio", "--demo-agents", "--token", "t=me"]).into();
    assert!(Client::spawn(start(), "other").connect().await.is_err());
    assert!(Client::spawn(start(), "t").connect().await.is_ok());
}

#[test]
fn help_describes_how_to_write_an_agent() {
    let output = nuncio(&["serve", "--help"]).env("COLUMNS", "80").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    for what in ["--agent", "NUNCIO_LEASE", r#"{"authorize""#, "[security]", "--kill-grace", "READY"] {
        assert!(stdout(&output).contains(what), "{what}");
    }
    assert!(!stdout(&output).contains("agent-guard"));
    assert!(stdout(&output).lines().all(|line| line.chars().count() <= 80), "{}", stdout(&output));
}

#[test]
fn a_pool_is_described_in_a_table_of_its_own() {
    let pool = "[pool]\ncap = \"nats://127.0.0.1:1\"\ncap-id = \"front-1\"\ncap-agent = [\"count@2=job.count\"]\n";
    let file = File::new("pool", &format!("{pool}cap-unsigned = true\n"));
    // Nothing is connected to.
    let output = file.check(&["--max-concurrent", "count=3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("agent    count@2: the workers of job.count\n"), "{}", stdout(&output));
    assert_eq!(stderr(&output), "", "no bus is connected");
    let output = file.check(&["--max-concurrent", "other=3"]);
    assert!(stderr(&output).contains("names \"other\", which is not an agent of this server"), "{}", stderr(&output));
    let unsaid = File::new("pool-keys", pool);
    assert!(unsaid.complaint().contains("a pool of CAP workers needs --cap-keys DIR"), "{}", unsaid.complaint());
    let wrong = File::new("pool-topic", "[pool]\ncap-agent = [\"count=sys.job\"]\n");
    assert!(wrong.complaint().contains("the topic \"sys.job\" cannot be used"), "{}", wrong.complaint());
}
