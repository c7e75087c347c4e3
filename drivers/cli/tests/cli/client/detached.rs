//! Jobs that one command submits and others follow and cancel.

use serde_json::json;

use super::runtime::{Done, Runtime};
use crate::support::{Serving, nuncio};

#[test]
fn detach_prints_the_job_and_leaves_it_running() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "waits", "--detach"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let job = done.stdout.trim();
    assert!(job.starts_with("job_") && done.stderr.contains(&format!("nuncio tail {job}")), "{}", done.stderr);
    let mut tail = runtime.start_command(&["tail", job]);
    tail.until("waiting");
    runtime.gate.open(1);
    let done = tail.end();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "\"waited\"\n"));

    let line = runtime.run(&["submit", "echo", "--detach", "--json"]).lines().swap_remove(0);
    assert_eq!(line["type"], "accepted");
}

#[test]
fn tail_shows_past_then_new_events_and_ends_with_the_job() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "steps"]);
    let job = submit.accepted();
    submit.until("1/4 steps");
    let mut tail = runtime.start_command(&["tail", &job]);
    tail.until("status running");
    tail.until("1/4 steps");
    runtime.gate.open(4);
    let done = tail.end();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "{\"steps\":4}\n"));
    assert!(done.stderr.contains("4/4 steps"), "{}", done.stderr);
    assert_eq!(submit.end().code, Some(0));

    // The same after the job's end, and without the history.
    let all = runtime.run(&["tail", &job, "--json"]).lines();
    let steps = all.iter().filter(|line| line["kind"] == "progress").count();
    assert_eq!((steps, &all.last().unwrap()["exit_code"]), (4, &json!(0)));
    let end = runtime.run(&["tail", &job, "--no-history"]);
    assert_eq!((end.code, end.stderr.contains("4/4")), (Some(0), false), "{}", end.stderr);
    let since = runtime.run(&["tail", &job, "--from", "3"]).stderr;
    assert!(!since.contains("2/4 steps") && since.contains("3/4 steps"), "{since}");
}

#[test]
fn tail_has_the_exit_code_of_the_job() {
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "fail", "--detach"]).stdout;
    let done = runtime.run(&["tail", job.trim()]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let done = runtime.run(&["tail", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert_eq!(done.code, Some(5));
    assert!(done.stderr.contains("nuncio jobs"), "{}", done.stderr);
    let foreign = runtime.run(&["tail", job.trim(), "--token", "tok-bob"]);
    assert_eq!(foreign.code, Some(5), "{}", foreign.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_tail_and_not_the_job() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "waits"]);
    let job = submit.accepted();
    let mut tail = runtime.start_command(&["tail", &job]);
    tail.until("waiting");
    tail.interrupt();
    let done = tail.end();
    assert_eq!(done.code, Some(130), "{}", done.stderr);
    runtime.gate.open(1);
    assert_eq!(submit.end().code, Some(0));
}

#[test]
fn a_detached_job_can_be_cancelled() {
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "waits", "--detach"]).stdout;
    let done = runtime.run(&["cancel", job.trim(), "--reason", "wrong week"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("was cancelled"), "{}", done.stderr);
    assert_eq!(runtime.run(&["tail", job.trim()]).code, Some(3));
    // Cancelling it again succeeds.
    assert_eq!(runtime.run(&["cancel", job.trim()]).code, Some(0));
    let saved = std::fs::read_dir(runtime.folder.path().join("nuncio")).unwrap();
    assert_eq!(saved.count(), 0, "its session is deleted");
}

#[test]
fn cancel_says_what_it_waits_for_if_the_job_does_not_end() {
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "stubborn", "--detach"]).stdout.trim().to_owned();
    let mut cancel = runtime.start_command(&["cancel", &job]);
    cancel.until("waiting for the job to end");
    runtime.gate.open(1);
    let done = cancel.end();
    assert!(done.stderr.ends_with("the job was cancelled\n"), "{}", done.stderr);
}

#[test]
fn cancel_can_return_before_the_end() {
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "stubborn", "--detach"]).stdout;
    for _ in 0..2 {
        // The second time, the session is resumed again.
        let done = runtime.run(&["cancel", job.trim(), "--no-wait"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    runtime.gate.open(1);
    assert_eq!(runtime.run(&["tail", job.trim()]).code, Some(3));
}

#[cfg(unix)]
#[test]
fn a_saved_session_is_private_and_holds_no_bearer_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "waits", "--detach"]).stdout;
    let folder = runtime.folder.path().join("nuncio");
    let file = folder.join(format!("{}.json", job.trim()));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("rt_") && !text.contains("tok-alice"), "{text}");
    // The saved session is of no use to another principal.
    let done = runtime.run(&["cancel", job.trim(), "--token", "tok-bob"]);
    assert_eq!(done.code, Some(5), "{}", done.stderr);
    let done = runtime.run(&["cancel", job.trim()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn a_session_that_has_lapsed_cannot_be_resumed() {
    let runtime = Runtime::start();
    let job = runtime.run(&["submit", "waits", "--detach"]).stdout;
    let file = runtime.folder.path().join(format!("nuncio/{}.json", job.trim()));
    let mut saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    saved["resume_token"] = json!("rt_of_before");
    std::fs::write(&file, saved.to_string()).unwrap();
    let done = runtime.run(&["cancel", job.trim()]);
    assert_eq!(done.code, Some(5), "{}", done.stderr);
    assert!(done.stderr.contains("--idempotency-key"), "{}", done.stderr);
    // The session of another runtime is not used.
    saved["url"] = json!("ws://elsewhere/arcp");
    std::fs::write(&file, saved.to_string()).unwrap();
    let done = runtime.run(&["cancel", job.trim()]);
    assert!(done.stderr.contains("it was submitted with --url ws://elsewhere/arcp"), "{}", done.stderr);
    std::fs::remove_file(&file).unwrap();
    assert!(runtime.run(&["cancel", job.trim()]).stderr.contains("--detach"));
}

#[test]
fn only_the_session_that_submitted_a_job_may_cancel_it() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "waits"]);
    let job = submit.accepted();
    submit.until("waiting");
    let done = runtime.run(&["cancel", &job]);
    assert_eq!(done.code, Some(5));
    assert!(done.stderr.contains("Ctrl-C"), "{}", done.stderr);
    let process = format!("the process {} on this machine follows the job", submit.child.id());
    assert!(done.stderr.contains(&process), "{}", done.stderr);
    let elsewhere = runtime.command(&["cancel", &job]).env("XDG_STATE_HOME", runtime.path("other")).output().unwrap();
    let said = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(said.contains("that session is not saved on this machine"), "{said}");
    runtime.gate.open(1);
    assert_eq!(submit.end().code, Some(0));
    let done = runtime.run(&["cancel", &job]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("had already ended: success"), "{}", done.stderr);
}

/// Nuncio's runtime lets every session of the principal cancel a job once the session that submitted it can no longer be
/// resumed. With a journal, this also holds for a job that is run again after a restart.
#[test]
fn after_the_resume_window_a_job_can_be_cancelled_on_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let journal = path("journal");
    let with_journal = ["--token", "t=me", "--resume-window", "1s", "--restart", "slow=rerun", "--journal", &journal];
    for (arguments, restarts) in [(&with_journal[..4], false), (&with_journal, true)] {
        let mut serving = Serving::start(arguments);
        let on = |machine: &str, url: &str, arguments: &[&str]| -> Done {
            let mut command = nuncio(arguments);
            command.args(["--url", url, "--token", "t"]).env("XDG_STATE_HOME", path(machine));
            command.output().unwrap().into()
        };
        let left = on("one", &serving.url, &["submit", "slow", "--input", r#"{"ticks":1000000}"#, "--detach"]);
        assert_eq!(left.code, Some(0), "{}", left.stderr);
        assert!(
            left.stderr.contains("Z on, every machine can cancel it with a token of the same principal"),
            "{}",
            left.stderr
        );
        if restarts {
            serving.stop("KILL");
            serving = Serving::start(arguments);
        }
        loop {
            let done = on("another", &serving.url, &["cancel", left.stdout.trim()]);
            if done.code == Some(0) {
                break;
            }
            assert_eq!(done.code, Some(5), "{}", done.stderr);
            let later =
                "When that session has had no connection for 1s, every session of its principal may cancel the job";
            assert!(done.stderr.contains(later), "{}", done.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_session_that_cannot_be_saved_leaves_a_job_that_can_be_cancelled_later() {
    let runtime = Runtime::start();
    let mut submit = runtime.command(&["submit", "waits", "--detach"]);
    let done: Done = submit.env("XDG_STATE_HOME", "/dev/null/state").output().unwrap().into();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for what in ["the job can be cancelled only from 2", "because its session cannot be saved: "] {
        assert!(done.stderr.contains(what), "{what}: {}", done.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_the_job_running_if_that_is_wanted() {
    let runtime = Runtime::start();
    for signal in ["INT", "TERM", "HUP"] {
        let mut submit = runtime.start_command(&["submit", "waits", "--on-interrupt", "detach"]);
        let job = submit.accepted();
        submit.until("waiting");
        submit.signal(signal);
        let left = submit.end();
        assert_eq!(left.code, Some(130), "{signal}: {}", left.stderr);
        for what in ["the job goes on", &format!("nuncio tail {job}"), &format!("nuncio cancel {job}")] {
            assert!(left.stderr.contains(what), "{signal}: {what}: {}", left.stderr);
        }
        let cancelled = runtime.run(&["cancel", &job]);
        assert_eq!(cancelled.code, Some(0), "{signal}: {}", cancelled.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_cancels_the_job_otherwise() {
    let runtime = Runtime::start();
    for signal in ["TERM", "HUP"] {
        let mut submit = runtime.start_command(&["submit", "waits"]);
        submit.until("waiting");
        submit.signal(signal);
        let done = submit.end();
        assert_eq!(done.code, Some(3), "{signal}: {}", done.stderr);
        assert!(done.stderr.contains("cancelling the job"), "{signal}: {}", done.stderr);
    }
}

#[cfg(unix)]
#[test]
fn one_signal_ends_a_command_whose_runtime_is_gone() {
    let state = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let serving = crate::support::Serving::start(&["--token", "t=me"]);
        let arguments = ["submit", "slow", "--input", r#"{"ticks": 1000000}"#, "--url", &serving.url, "--token", "t"];
        let mut command = crate::support::nuncio(&arguments);
        command.env("XDG_STATE_HOME", state.path());
        let mut submit = super::runtime::Running::of(command);
        let job = submit.accepted();
        submit.until("progress");
        serving.stop("KILL");
        submit.until("connection lost");
        submit.signal(signal);
        let left = submit.end();
        assert_eq!(left.code, Some(130), "{signal}: {}", left.stderr);
        for what in ["cancelling the job", "the job may still be running", &format!("nuncio cancel {job}")] {
            assert!(left.stderr.contains(what), "{signal}: {what}: {}", left.stderr);
        }
        assert!(!left.stderr.contains("cannot cancel"), "{signal}: {}", left.stderr);
    }
}

/// The running job of a principal, which an approver sees, and a token of that approver.
#[test]
fn a_principal_that_may_not_cancel_is_told_so() {
    let state = tempfile::tempdir().unwrap();
    let serving = crate::support::Serving::start(&["--token", "t=me", "--token", "b=boss", "--approver", "boss"]);
    let run = |arguments: &[&str]| {
        let mut command = crate::support::nuncio(&[arguments, &["--url", &serving.url]].concat());
        let output = command.env("XDG_STATE_HOME", state.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let input = r#"{"ticks": 1000000}"#;
    let (_, job, _) = run(&["submit", "slow", "--input", input, "--detach", "--token", "t"]);
    let (code, _, said) = run(&["cancel", job.trim(), "--token", "b"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("the job is that of another principal") && said.contains("--token"), "{said}");
    assert!(!said.contains("RESUME_WINDOW_EXPIRED"), "{said}");
    let (code, _, said) = run(&["cancel", job.trim(), "--token", "t"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_tail_counts_time_from_the_acceptance() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "waits", "--json"]);
    let accepted: serde_json::Value = serde_json::from_str(&submit.read_out("accepted")).unwrap();
    let job = accepted["job_id"].as_str().unwrap();
    submit.read_out("waiting");
    runtime.gate.open(1);
    assert_eq!(submit.end().code, Some(0));
    let subscribed = &runtime.run(&["tail", job, "--json"]).lines()[0];
    assert_eq!(subscribed["accepted_at"], accepted["accepted_at"]);
}

#[test]
fn a_command_says_that_its_job_waits_for_its_agent() {
    let limit = ["--token", "t=me", "--max-concurrent", "slow=1"];
    let serving = crate::support::Serving::start(&limit);
    let input = ["--input", r#"{"ticks": 1000000}"#, "--url", &serving.url, "--token", "t"];
    let start = || super::runtime::Running::of(crate::support::nuncio(&[&["submit", "slow"][..], &input].concat()));
    let mut first = start();
    first.until("progress");
    let mut second = start();
    second.until("the job waits until its agent has a free slot");
    second.signal("TERM");
    assert_eq!(second.end().code, Some(3));
}

#[cfg(unix)]
#[test]
fn the_job_of_a_command_that_was_killed_can_be_cancelled() {
    let runtime = Runtime::start();
    let mut submit = runtime.start_command(&["submit", "waits"]);
    let job = submit.accepted();
    submit.until("waiting");
    submit.signal("KILL");
    submit.end();
    let cancelled = runtime.run(&["cancel", &job]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.stderr);
}

#[test]
fn the_session_of_a_job_that_has_ended_is_not_kept() {
    let runtime = Runtime::start();
    assert_eq!(runtime.run(&["submit", "echo"]).code, Some(0));
    let kept = std::fs::read_dir(runtime.folder.path().join("nuncio")).unwrap();
    let names: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, Vec::<std::ffi::OsString>::new());
}
