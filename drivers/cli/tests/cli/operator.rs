//! What the principals of `nuncio serve --operator` may do, and others may not.

use std::process::Output;

use crate::support::{Serving, nuncio, stderr, stdout};

const SLOW: [&str; 4] = ["slow", "--input", r#"{"ticks":1000000}"#, "--detach"];

fn serve() -> Serving {
    let tokens = ["--token", "t=me", "--token", "b=bob", "--token", "a=approver", "--token", "o=ops"];
    Serving::start(&[&tokens[..], &["--approver", "approver", "--operator", "ops"]].concat())
}

/// Runs a command with a token, on a machine where no session was saved.
fn elsewhere(serving: &Serving, token: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = nuncio(arguments);
    command.args(["--url", &serving.url, "--token", token]).env("XDG_STATE_HOME", folder.path());
    command.output().expect("the binary runs")
}

#[test]
fn an_operator_cancels_the_job_of_another_principal_and_nobody_else_does() {
    let serving = serve();
    let submitted = elsewhere(&serving, "t", &[&["submit"][..], &SLOW].concat());
    let job = stdout(&submitted).trim_end();
    assert!(job.starts_with("job_"), "{}", stderr(&submitted));
    let cancel = |token| elsewhere(&serving, token, &["cancel", job]);
    let status = || {
        let output = elsewhere(&serving, "t", &["jobs", "--json"]);
        let row: serde_json::Value = serde_json::from_str(stdout(&output)).expect("one job");
        row["status"].as_str().expect("a status").to_owned()
    };

    let stranger = cancel("b");
    assert_eq!(stranger.status.code(), Some(5), "{}", stderr(&stranger));
    assert!(stderr(&stranger).contains("JOB_NOT_FOUND"), "it does not see the job: {}", stderr(&stranger));
    let approver = cancel("a");
    assert_eq!(approver.status.code(), Some(5), "{}", stderr(&approver));
    assert!(stderr(&approver).contains("PERMISSION_DENIED"), "it sees the job: {}", stderr(&approver));
    assert_eq!(status(), "running");

    let operator = cancel("o");
    assert_eq!(operator.status.code(), Some(0), "{}", stderr(&operator));
    assert_eq!(status(), "cancelled");
}

#[test]
fn an_operator_lists_and_watches_the_jobs_of_others() {
    let serving = serve();
    let submitted = elsewhere(&serving, "t", &[&["submit"][..], &SLOW].concat());
    let job = stdout(&submitted).trim_end();
    for (token, sees) in [("b", false), ("o", true)] {
        assert_eq!(stdout(&elsewhere(&serving, token, &["jobs", "--json"])).contains(job), sees, "{token}");
        assert_eq!(elsewhere(&serving, token, &["describe", job]).status.success(), sees, "{token}");
    }
}

#[test]
fn an_operator_lists_the_sessions_of_others() {
    let serving = serve();
    assert!(elsewhere(&serving, "t", &[&["submit"][..], &SLOW].concat()).status.success());
    for (token, sees) in [("b", false), ("a", false), ("o", true)] {
        let listed = elsewhere(&serving, token, &["sessions", "--json"]);
        assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
        assert_eq!(stdout(&listed).contains(r#""principal":"me""#), sees, "{token}");
    }
}
