//! `nuncio serve --journal`.

use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::sync::mpsc;

use nuncio_tests::raw::{Wire, is_terminal, job_id};
use serde_json::json;

use super::{Folder, accepted, serve};
use crate::support::{Serving, run, stderr, stdout};

#[test]
fn a_killed_server_continues_from_its_journal() {
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
fn a_job_that_was_running_has_ended_after_a_restart() {
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
fn a_journal_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let serving = serve(&folder.file("journal"));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    for name in folder.names() {
        let mode = folder.path(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has {mode:o}");
    }
    assert!(folder.names().len() >= 3, "{:?}", folder.names());
}

#[test]
fn a_journal_in_use_is_refused() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let second = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal];
    let output = run(&second);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("is in use by another process; stop that process"), "{}", stderr(&output));
    let check = run(&[&second[..], &["--check"]].concat());
    assert_eq!(check.status.code(), Some(0), "a check does not need the journal for itself: {}", stderr(&check));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}

#[test]
fn a_check_creates_no_journal() {
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
fn the_configuration_file_uses_the_names_of_the_flags() {
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
fn journal_options_without_a_journal_are_refused() {
    for flags in [["--sync", "full"], ["--retain", "1h"], ["--journal-max", "1GiB"]] {
        let output = run(&[&["serve", "--demo-agents", "--check"][..], &flags].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        assert!(stderr(&output).contains("--journal FILE"), "{}", stderr(&output));
    }
}

#[test]
fn a_file_that_is_not_a_journal_is_refused() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    serving.stop("TERM");
    let complaint = |journal: &str| {
        let check = run(&["serve", "--demo-agents", "--check", "--journal", journal]);
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", journal]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert_eq!((check.status.code(), stderr(&check)), (Some(1), stderr(&output)), "a check finds it, too");
        stderr(&output).replace(journal, "FILE")
    };
    let file = std::fs::File::options().write(true).open(&journal).unwrap();
    // The header of an SQLite file holds the version.
    file.write_all_at(&9_u32.to_be_bytes(), 60).unwrap();
    insta::assert_snapshot!(complaint(&journal), @"nuncio: the journal FILE has version 9, and this nuncio reads version 1; use the nuncio that wrote it, or start a new journal at another path");
    std::fs::write(&journal, "this has never been a journal. ".repeat(100)).unwrap();
    insta::assert_snapshot!(complaint(&journal), @"nuncio: FILE is damaged or not a journal: file is not a database; if the path is right, restore the file from a copy, or start a new journal at another path");
}

#[test]
fn a_file_that_cannot_be_created_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder")).unwrap();
    for journal in [folder.file("folder"), folder.file("no/such/journal"), "/dev/null/journal".to_owned()] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert!(
            stderr(&output).contains("check that the path is right, that nuncio may read and write the file and its folder, and that the disk has space"),
            "{}",
            stderr(&output)
        );
    }
}

/// A server whose files cannot grow beyond `kilobytes`, as on a full disk.
fn confined(journal: &str, kilobytes: u32) -> Command {
    let mut command = Command::new("bash");
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_nuncio"), "serve", "--listen", "127.0.0.1:0", "--demo-agents"]);
    command.args(["--token", "t=me", "--journal", journal]);
    command
}

#[test]
fn a_full_disk_prevents_the_start() {
    let folder = Folder::new();
    let output = confined(&folder.file("journal"), 1).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{}", stderr(&output));
    assert!(stderr(&output).contains("the journal "), "{}", stderr(&output));
}

#[test]
fn a_disk_that_fills_up_stops_new_work_and_loses_no_accepted_job() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let mut serving = Serving::of(confined(&journal, 400));
    let mut bystander = Wire::connect(&serving.url, "t");
    // Its first frame proves its token, so that the next one has nothing to store.
    bystander.list();
    let (accepted, taken) = mpsc::channel();
    let url = serving.url.clone();
    // When the disk is full, this thread waits for an answer until the server ends.
    std::thread::spawn(move || {
        let mut filler = Wire::connect(&url, "t");
        for number in 0_u64.. {
            let input: Vec<u64> = (0..500).map(|at| (number * 500 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            filler.request("job.submit", &json!({"agent": "echo", "input": input}));
            let end = loop {
                match filler.receive() {
                    Ok(frame) if is_terminal(&frame) => break frame,
                    Ok(_) => {}
                    Err(_) => return,
                }
            };
            accepted.send((job_id(&end), end["payload"]["result"].clone())).unwrap();
        }
    });
    serving.until("the journal cannot be written");
    assert_eq!(bystander.refused("job.submit", &json!({"agent": "echo"})), "INTERNAL_ERROR");
    serving.stop("KILL");

    let taken: Vec<_> = taken.iter().collect();
    assert!(taken.len() > 3, "{}", taken.len());
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    let kept = wire.list();
    for (job, result) in &taken {
        assert!(kept.iter().any(|row| row["job_id"] == **job && row["status"] == "success"), "{job} is lost");
        let request = wire.request("job.subscribe", &json!({"job_id": job, "history": true}));
        assert_eq!(wire.answer(&request)["type"], "job.subscribed");
        let end = wire.terminal(job);
        assert_eq!((job_id(&end), &end["payload"]["result"]), (job.clone(), result));
    }
    wire.run(&json!({"agent": "echo"}));
}

#[test]
fn jobs_go_on_after_a_crash_as_their_agents_say() {
    go_on_after("KILL");
}

#[test]
fn jobs_go_on_after_a_stop_as_their_agents_say() {
    go_on_after("TERM");
}

/// Ends a server with a signal while one job runs and two wait for a slot, and starts it again.
fn go_on_after(signal: &str) {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let started = folder.file("started");
    // The first run says that it is there and waits; the next one answers.
    let program = format!(
        "again=sh -c 'read input; if [ $NUNCIO_RESTARTS = 0 ] && [ ! -e {started} ]; then : > {started}; sleep 600; fi; \
         echo \"{{\\\"result\\\":$input}}\"'"
    );
    let options = ["--token", "t=me", "--journal", &journal, "--agent", &program];
    let again =
        [&options[..], &["--max-concurrent", "again=1", "--restart", "again=rerun", "--drain", "10ms"]].concat();
    let serving = Serving::start(&again);
    let submit = |input: &str| {
        let detached = serving.submit("t", &["again", "--input", input, "--detach"]);
        assert_eq!(detached.status.code(), Some(0), "{}", stderr(&detached));
        stdout(&detached).trim().to_owned()
    };
    let jobs = [submit("[1]"), submit("[2]"), submit("[3]")];
    while !folder.path("started").exists() {
        std::thread::yield_now();
    }
    serving.stop(signal);

    let mut serving = Serving::start(&again);
    let line = serving.until("restored");
    assert!(line.ends_with("; 1 job taken up again; 2 jobs that had not run"), "{line}");
    for (job, result) in jobs.iter().zip(["[1]", "[2]", "[3]"]) {
        let tail = run(&["tail", "--url", &serving.url, "--token", "t", job]);
        assert_eq!((tail.status.code(), stdout(&tail).trim()), (Some(0), result), "{}", stderr(&tail));
    }
    assert_eq!(serving.stop("TERM").0, Some(0));
}
