//! `nuncio serve --journal`.

use std::os::unix::fs::FileExt as _;

use crate::support::{run, stderr, stdout};
use crate::{Folder, accepted, serve};

#[test]
fn a_killed_server_goes_on_where_it_was() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let mut serving = serve(&journal);
    serving.until("is new");
    let first = serving.submit("t", &["echo", "--idempotency-key", "once"]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    serving.stop("KILL");

    let mut serving = serve(&journal);
    let line = serving.until("restored");
    assert!(line.contains("restored 1 session and 1 job from the journal"), "{line}");
    let again = serving.submit("t", &["echo", "--idempotency-key", "once"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(accepted(&first), accepted(&again));
    assert_eq!(serving.stop("TERM"), (Some(0), String::new()));
}

#[test]
fn a_job_that_ran_is_told_to_have_ended() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let detached = serving.submit("t", &["slow", "--input", r#"{"ticks":1000000}"#, "--detach"]);
    assert_eq!(detached.status.code(), Some(0), "{}", stderr(&detached));
    let job = stdout(&detached).trim().to_owned();
    serving.stop("KILL");

    let mut serving = serve(&journal);
    let line = serving.until("restored");
    assert!(line.ends_with("; 1 job interrupted"), "{line}");
    let tail = run(&["tail", "--url", &serving.url, "--token", "t", &job]);
    assert_eq!(tail.status.code(), Some(1), "{}", stderr(&tail));
    assert!(stderr(&tail).contains("INTERNAL_ERROR"), "{}", stderr(&tail));
}

#[test]
fn a_journal_in_use_is_said_so() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let second = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal];
    let output = run(&second);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("is in use by another process; stop that one first"), "{}", stderr(&output));
    let check = run(&[&second[..], &["--check"]].concat());
    assert_eq!(check.status.code(), Some(0), "a check disturbs nobody: {}", stderr(&check));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}

#[test]
fn a_check_makes_no_journal() {
    let folder = Folder::new();
    let check = ["serve", "--demo-agents", "--check", "--journal"];
    let output = run(&[&check[..], &[&folder.file("journal"), "--sync", "normal", "--journal-max", "1GiB"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let line = stdout(&output).lines().find(|line| line.starts_with("journal")).unwrap();
    assert!(line.ends_with("journal (new), sync normal, events kept 24h, at most 1.0 GiB"), "{line}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());

    let nowhere = run(&[&check[..], &[&folder.file("no/such/journal")]].concat());
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("No such file or directory"), "{}", stderr(&nowhere));
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn the_file_has_the_names_of_the_flags() {
    let folder = Folder::new();
    let (config, journal) = (folder.file("config.toml"), folder.file("journal"));
    let text = format!("demo-agents = true\njournal = {journal:?}\nsync = \"normal\"\nretain = \"2h\"\n");
    std::fs::write(&config, text).unwrap();
    let check = |more: &[&str]| {
        let output = run(&[&["serve", "--check", "--config", &config][..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).lines().find(|line| line.starts_with("journal")).unwrap().replace(&journal, "FILE")
    };
    assert_eq!(check(&[]), "journal  FILE (new), sync normal, events kept 2h");
    assert_eq!(check(&["--sync", "full", "--retain", "30m"]), "journal  FILE (new), sync full, events kept 30m");
}

#[test]
fn what_is_said_of_no_journal_is_a_mistake() {
    for flags in [["--sync", "full"], ["--retain", "1h"], ["--journal-max", "1GiB"]] {
        let output = run(&[&["serve", "--demo-agents", "--check"][..], &flags].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        assert!(stderr(&output).contains("--journal FILE"), "{}", stderr(&output));
    }
}

#[test]
fn what_is_no_journal_is_said_so() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    serving.stop("TERM");
    let complaint = |journal: &str| {
        let check = run(&["serve", "--demo-agents", "--check", "--journal", journal]);
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", journal]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert_eq!((check.status.code(), stderr(&check)), (Some(1), stderr(&output)), "a check sees it, too");
        stderr(&output).replace(journal, "FILE")
    };
    let file = std::fs::File::options().write(true).open(&journal).unwrap();
    // The version stands in the header of an SQLite file.
    file.write_all_at(&9_u32.to_be_bytes(), 60).unwrap();
    insta::assert_snapshot!(complaint(&journal), @"nuncio: the journal FILE has the version 9, this nuncio reads version 1; use the nuncio that wrote it, or move it away to begin a new one");
    std::fs::write(&journal, "this has never been a journal. ".repeat(100)).unwrap();
    insta::assert_snapshot!(complaint(&journal), @"nuncio: the journal FILE is damaged: file is not a database; restore it from a copy, or move it away to begin a new one");
}

#[test]
fn a_file_that_cannot_be_made_is_said_so() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder")).unwrap();
    for journal in [folder.file("folder"), folder.file("no/such/journal"), "/dev/null/journal".to_owned()] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert!(stderr(&output).contains("is it there, and may nuncio read and write it"), "{}", stderr(&output));
    }
}
