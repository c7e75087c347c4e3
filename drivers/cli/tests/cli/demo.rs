//! `nuncio demo`.

use crate::support::{nuncio, run, stderr, stdout};

#[test]
fn a_cut_connection_loses_nothing() {
    let output = run(&["demo"]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    assert!(said.contains("CUTS the connection"), "{said}");
    assert!(said.contains("RESUMED"), "{said}");
    assert!(said.contains("PERMISSION_DENIED"), "{said}");
    assert!(said.contains("spent USD 0.6"), "{said}");
    assert_eq!(said.lines().last(), Some("OK: cut 1, resumed 1, events lost 0."));
}

#[cfg(unix)]
#[test]
fn a_killed_runtime_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = nuncio(&["demo", "--restart"]).env("TMPDIR", folder.path()).output().expect("the binary runs");
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    for what in
        ["is KILLED (SIGKILL)", "RESUMED", "restored 1 session and 3 jobs", "; 2 jobs interrupted", "the same job"]
    {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(said.lines().last(), Some("OK: killed 1, restarted 1, resumed 1, events lost 0."));
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "the journal is deleted");
}

#[cfg(unix)]
#[test]
fn a_killed_server_adopts_the_jobs_of_its_pool() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = nuncio(&["demo", "--pool"]);
    // No server is needed, and none of the environment is used.
    command.env("TMPDIR", folder.path()).env("NATS_URL", "nats://127.0.0.1:1").env("REDIS_URL", "redis://127.0.0.1:1");
    let output = command.output().expect("the binary runs");
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    for what in ["is KILLED (SIGKILL)", "works on without a server", "RESUMED", "restored 1 session and 4 jobs"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let last = said.lines().last().expect("a line");
    assert!(last.starts_with("OK: killed 1, restarted 1, resumed 1, jobs taken up again "), "{last}");
    assert!(last.ends_with(", jobs lost 0, jobs run twice 0."), "{last}");
    assert!(last.contains("taken up again 4 (3 ran, 1 had ended)"), "as many as were restored: {last}");
    assert!(said.lines().count() <= 50 && said.lines().all(|line| line.chars().count() <= 120), "{said}");
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "the journal and the keys are deleted");
}

#[test]
fn people_decide_and_each_question_is_asked_once() {
    let output = run(&["demo", "--ask"]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    for what in [
        "asks q1: Send the mail to 312 customers? [send | do not send]",
        "other     answers q1: refused",
        "is STOPPED while q2 is open",
        "RESUMED",
        "Approve tool.call \"mail.send\" of the agent campaign? [approve | refuse]",
        "boss@example.com has refused tool.call \"payments.refund\": not on a Sunday",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(
        said.lines().last(),
        Some("OK: questions asked 4, answered 3, by default 1, restarted 1, asked twice 0.")
    );
}

/// The row of an event begins with the name of its job, which a line above has said.
#[test]
fn a_row_has_the_name_under_which_its_job_was_submitted() {
    let demos =
        if cfg!(unix) { &[&["demo"][..], &["demo", "--restart"], &["demo", "--pool"]][..] } else { &[&["demo"][..]] };
    for demo in demos {
        let output = run(demo);
        let said = stdout(&output);
        let mut rows = 0;
        for (at, line) in said.lines().enumerate() {
            let Some((name, _)) = line.split_once('#').filter(|(name, _)| name.starts_with("  ")) else { continue };
            let name = name.trim();
            let is_said = |above: &str| {
                let ways = [
                    format!(": {name}, "),
                    format!("submits {name}, "),
                    format!("delegates to {name}"),
                    format!("named {name}"),
                ];
                ways.iter().any(|way| format!("{above} ").contains(way))
            };
            assert!(said.lines().take(at).any(is_said), "{name}: {said}");
            rows += 1;
        }
        assert!(rows > 5, "{said}");
    }
}

#[test]
fn the_output_is_short_and_has_no_colours_in_a_file() {
    for demo in [&["demo"][..], &["demo", "--restart"], &["demo", "--ask"]] {
        let output = run(demo);
        let said = stdout(&output);
        assert!(said.lines().count() <= 40, "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= 120), "{said}");
        assert!(!said.contains("demo-token"), "a token is shown");
    }
}
