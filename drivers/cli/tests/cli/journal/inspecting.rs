//! `nuncio journal`.

use std::os::unix::fs::FileExt as _;

use nuncio_tests::raw::Wire;
use serde_json::{Value, json};

use super::{Folder, serve};
use crate::support::{run, stderr, stdout};

/// A journal of jobs that ended in several ways, one of them because the server was killed.
fn used(folder: &Folder) -> String {
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    for submit in [json!({"agent": "echo"}), json!({"agent": "progress"}), json!({"agent": "fail"})] {
        wire.run(&submit);
    }
    wire.submit(&json!({"agent": "slow", "input": {"ticks": 1_000_000}}));
    wire.until("progress", |frame| frame["payload"]["kind"] == "progress");
    serving.stop("KILL");
    journal
}

fn stats(journal: &str) -> Value {
    let output = run(&["journal", "stats", journal, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(stdout(&output)).unwrap()
}

#[test]
fn a_sound_journal_passes_the_check() {
    let folder = Folder::new();
    let journal = used(&folder);
    let output = run(&["journal", "check", &journal]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("sound: "), "{}", stdout(&output));
    assert!(!stdout(&output).contains("compaction"), "nothing was deleted: {}", stdout(&output));
    let serving = serve(&journal);
    assert_eq!(run(&["journal", "check", &journal]).status.code(), Some(0), "while a server uses it");
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}

#[test]
fn damage_is_found() {
    let folder = Folder::new();
    let journal = used(&folder);
    // When a server stops, everything is in one file.
    serve(&journal).stop("TERM");
    let bytes = std::fs::read(&journal).unwrap();
    let file = std::fs::File::options().write(true).open(&journal).unwrap();
    // Pages that are no longer used may contain the text, too.
    for (at, _) in bytes.windows(12).enumerate().filter(|(_, window)| *window == b"job_accepted") {
        file.write_all_at(b"J", at as u64).unwrap();
    }
    for arguments in [&["check"][..], &["compact"]] {
        let output = run(&[&["journal"], arguments, &[&journal]].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{arguments:?}");
        assert!(
            stderr(&output).contains("are not what was written; if the path is right, restore the file"),
            "{}",
            stderr(&output)
        );
    }
    let serve = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal]);
    assert_eq!(serve.status.code(), Some(1));
    assert!(
        stderr(&serve).contains("are not what was written; if the path is right, restore the file"),
        "{}",
        stderr(&serve)
    );
}

#[test]
fn the_contents_are_counted() {
    let folder = Folder::new();
    let journal = used(&folder);
    let before = stats(&journal);
    assert_eq!(before["jobs"], json!({"unfinished": 1, "success": 2, "error": 1, "cancelled": 0, "timed_out": 0}));
    assert_eq!((&before["sessions"], &before["credentials_unrevoked"]), (&json!(1), &json!(0)));
    assert_eq!(before["records"], before["last_record"], "nothing was deleted");
    assert!(before["oldest_event"].as_str().unwrap().ends_with('Z'), "{before}");
    let serving = serve(&journal);
    serving.submit("t", &["echo"]);
    let after = stats(&journal);
    assert_eq!(after["jobs"], json!({"unfinished": 0, "success": 3, "error": 2, "cancelled": 0, "timed_out": 0}));
    let text = run(&["journal", "stats", &journal]);
    assert_eq!(text.status.code(), Some(0));
    for what in ["0 unfinished, 3 success, 2 error", "0 not revoked", "the oldest of "] {
        assert!(stdout(&text).contains(what), "{what}: {}", stdout(&text));
    }
}

#[test]
fn sessions_are_listed_for_a_replay() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut first = Wire::connect(&serving.url, "t");
    let (job, _) = first.run(&json!({"agent": "progress", "input": {"n": 2}}));
    let second = Wire::connect(&serving.url, "t");
    let sessions = || {
        let output = run(&["journal", "sessions", &journal, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let lines = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let listed = sessions();
    let counted = stats(&journal);
    assert_eq!(counted["session_ids"], json!([first.session_id, second.session_id]));
    let text = run(&["journal", "stats", &journal]);
    let named = format!("2 connected or resumable: {}, {}\n", second.session_id, first.session_id);
    assert!(stdout(&text).contains(&named), "the last one first: {}", stdout(&text));
    let ids: Vec<&Value> = listed.iter().map(|session| &session["session_id"]).collect();
    assert_eq!(ids, [&json!(first.session_id), &json!(second.session_id)], "oldest first");
    assert_eq!((&listed[0]["jobs"], &listed[0]["events"]), (&json!([job]), &json!(5)));
    assert_eq!((&listed[0]["last_event_seq"], &listed[0]["state"]), (&json!(5), &json!("open")));
    assert_eq!((&listed[0]["dialect"], &listed[0]["principal"]), (&json!("nuncio"), &json!("me")));
    assert_eq!((&listed[1]["jobs"], &listed[1]["last_event_seq"]), (&json!([]), &json!(0)));

    let replay = run(&["replay", "--journal", &journal, "--session", ids[0].as_str().unwrap()]);
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    let table = run(&["journal", "sessions", &journal]);
    let line = stdout(&table).lines().nth(1).unwrap();
    assert!(line.starts_with(&first.session_id) && line.ends_with("open"), "{line}");
}

#[test]
fn the_state_of_a_session_says_whether_its_client_has_closed_it() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let states = || {
        let output = run(&["journal", "sessions", &journal]);
        let lines = stdout(&output).lines().skip(1);
        lines.map(|line| line.rsplit("  ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let serving = serve(&journal);
    let mut closed = Wire::connect(&serving.url, "t");
    let lost = Wire::connect(&serving.url, "t");
    closed.request("session.close", &json!({}));
    closed.until_type("session.closed");
    serving.stop("TERM");
    let found = states();
    assert!(found[0].starts_with("closed by its client at 2"), "{found:?}");
    assert!(found[1].starts_with("disconnected since 2"), "{found:?}");
    let output = run(&["journal", "sessions", &journal, "--json"]);
    let first: Value = serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(first["state"], "closed");
    assert_eq!(found[0], format!("closed by its client at {}", first["since"].as_str().unwrap()));
    let counted = stats(&journal);
    assert_eq!(counted["sessions"], json!(2), "both can be resumed");
    assert_eq!(counted["session_states"], json!({"open": 0, "disconnected": 1, "closed": 1}));
    let text = run(&["journal", "stats", &journal]);
    assert!(stdout(&text).contains("0 open, 1 disconnected, 1 closed by their clients"), "{}", stdout(&text));

    let serving = serve(&journal);
    let _resumed = Wire::resume(&serving.url, "t", &lost.point());
    serving.stop("KILL");
    assert_eq!(states()[1], "open", "no server has noted its end");
}

#[test]
fn compacting_keeps_what_is_needed() {
    let folder = Folder::new();
    let journal = used(&folder);
    let serving = serve(&journal);
    let output = run(&["journal", "compact", &journal]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(6), ""));
    assert!(stderr(&output).contains("is in use by another process"), "{}", stderr(&output));
    serving.stop("TERM");
    let before = stats(&journal);
    let output = run(&["journal", "compact", &journal]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("compacted from "), "{}", stdout(&output));
    let after = stats(&journal);
    assert_eq!((&after["jobs"], &after["sessions"]), (&before["jobs"], &before["sessions"]));
    assert_eq!(after["events"], before["events"], "a client that has not acknowledged them may ask for them");
    assert_eq!(run(&["journal", "compact", &journal, "--retain", "0s"]).status.code(), Some(0));
    assert!(stats(&journal)["events"].as_u64() < after["events"].as_u64());
    // The newest records may be deleted too, so the last number does not tell how many were.
    let compacted = stats(&journal);
    let [records, last] = ["records", "last_record"].map(|name| compacted[name].as_u64().unwrap());
    assert!(records < last, "{compacted}");
    let output = run(&["journal", "check", &journal]);
    assert_eq!(output.status.code(), Some(0));
    let said = format!("sound: {records} records in ");
    let deleted = "; compaction has deleted others, which were no longer needed\n";
    assert!(stdout(&output).starts_with(&said) && stdout(&output).ends_with(deleted), "{}", stdout(&output));
    let text = run(&["journal", "stats", &journal]);
    let deleted = format!(" to {last}; compaction has deleted others\n");
    assert!(stdout(&text).contains(&deleted), "{}", stdout(&text));
    assert_eq!(serve(&journal).stop("TERM").0, Some(0));
}

#[test]
fn the_sessions_that_stats_names_are_those_opened_last() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let sessions: Vec<Wire> = (0..4).map(|_| Wire::connect(&serving.url, "t")).collect();
    let ids: Vec<&str> = sessions.iter().rev().take(3).map(|wire| wire.session_id.as_str()).collect();
    let text = run(&["journal", "stats", &journal]);
    let named = format!("4 connected or resumable, the 3 opened last: {}\n", ids.join(", "));
    assert!(stdout(&text).contains(&named), "{}", stdout(&text));
    assert!(!stdout(&text).contains("compaction"), "nothing was deleted: {}", stdout(&text));
}

#[test]
fn a_missing_journal_is_not_created() {
    let folder = Folder::new();
    for action in ["check", "stats", "compact"] {
        let output = run(&["journal", action, &folder.file("journal")]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(6), ""), "{action}");
        assert!(stderr(&output).contains("there is no journal"), "{}", stderr(&output));
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    std::fs::write(folder.path("empty"), "").unwrap();
    let output = run(&["journal", "check", &folder.file("empty")]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("nothing was ever written to it"), "{}", stderr(&output));
    // A server treats an empty file like a missing one.
    assert_eq!(serve(&folder.file("empty")).stop("TERM").0, Some(0));
    assert_eq!(run(&["journal", "check", &folder.file("empty")]).status.code(), Some(0));
}

#[test]
fn a_folder_is_no_journal() {
    let folder = Folder::new();
    let path = folder.file("");
    for command in
        [&["journal", "check"][..], &["journal", "stats"], &["journal", "sessions"], &["replay", "--job", "1"]]
    {
        let refused = run(&[command, &[&path]].concat());
        assert_eq!(refused.status.code(), Some(6), "{command:?}: {}", stderr(&refused));
        assert!(
            stderr(&refused).contains(": it is a folder, and not a file; check that the path is right"),
            "{command:?}"
        );
    }
}
