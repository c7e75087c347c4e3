//! `nuncio serve --journal --shards`.

use super::Folder;
use crate::support::{Serving, run, stderr, stdout};

/// Principals whose shards differ, of four.
const TOKENS: [&str; 4] = ["a=alice", "b=bob", "c=me@example.com", "d=local"];

fn serve(journal: &str, shards: &str) -> Serving {
    let mut flags = vec!["--journal", journal, "--shards", shards];
    for token in &TOKENS {
        flags.extend(["--token", token]);
    }
    Serving::start(&flags)
}

#[test]
fn every_shard_continues_from_a_file_of_its_own() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let mut serving = serve(&journal, "4");
    serving.until("is new");
    let names: Vec<_> = folder.names().into_iter().filter(|name| !name.contains('-')).collect();
    assert_eq!(names, ["journal", "journal.1", "journal.2", "journal.3"]);
    let jobs: Vec<_> = ["a", "b", "c", "d"]
        .map(|token| {
            let submitted = serving.submit(token, &["echo", "--idempotency-key", "once"]);
            assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
            super::accepted(&submitted)
        })
        .into();
    serving.stop("KILL");

    let mut serving = serve(&journal, "4");
    let line = serving.until("restored");
    assert!(line.contains("restored 4 sessions and 4 jobs from the journal"), "{line}");
    for (token, job) in ["a", "b", "c", "d"].into_iter().zip(&jobs) {
        let again = serving.submit(token, &["echo", "--idempotency-key", "once"]);
        assert_eq!(&super::accepted(&again), job, "{}", stderr(&again));
    }
    assert_eq!(serving.stop("TERM"), (Some(0), String::new()));
}

#[test]
fn another_number_of_shards_is_refused() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal, "2");
    assert_eq!(serving.submit("a", &["echo"]).status.code(), Some(0));
    serving.stop("TERM");
    for shards in ["1", "3"] {
        let flags = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal, "--shards", shards];
        for refused in [run(&flags), run(&[&flags[..], &["--check"]].concat())] {
            assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), ""));
            let complaint = stderr(&refused);
            assert!(complaint.contains("belongs to shard 1 of 2"), "{complaint}");
            assert!(complaint.contains("start nuncio serve with --shards 2"), "{complaint}");
        }
    }
    assert!(!folder.path("journal.2").exists(), "no file was created");
    std::fs::remove_file(folder.path("journal.1")).unwrap();
    let flags = ["serve", "--demo-agents", "--journal", &journal, "--shards", "2"];
    for more in [&["--check"][..], &["--listen", "127.0.0.1:0"]] {
        let refused = run(&[&flags, more].concat());
        assert!(stderr(&refused).contains("the file of shard 2 of 2"), "{}", stderr(&refused));
    }
}

/// It would be lost, if a server took an empty file for that of a shard without jobs.
#[test]
fn a_file_that_is_missing_is_missing_at_every_start() {
    let folder = Folder::new();
    let (journal, _) = of_two(&folder);
    let hidden = folder.path("hidden");
    let flags = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal, "--shards", "2"];
    for (number, missing) in (1..).zip([&journal, &folder.file("journal.1")]) {
        std::fs::rename(missing, &hidden).unwrap();
        for _ in 0..2 {
            let refused = run(&flags);
            assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), ""));
            let said = format!("the file of shard {number} of 2, {missing}, is missing or empty");
            assert!(stderr(&refused).contains(&said), "{}", stderr(&refused));
            assert!(!std::path::Path::new(missing).exists(), "nothing was created");
        }
        std::fs::write(missing, "").unwrap();
        for refused in [run(&flags), run(&["journal", "check", &folder.file("journal")])] {
            assert!(!refused.status.success() && !stderr(&refused).contains("check that the path is right, that"));
        }
        assert_eq!(std::fs::read(missing).unwrap(), b"");
        std::fs::rename(&hidden, missing).unwrap();
    }
    std::fs::rename(&journal, &hidden).unwrap();
    let alone = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal]);
    assert!(stderr(&alone).contains("the file of shard 1 of 2"), "{}", stderr(&alone));
    assert!(!folder.path("journal").exists());
}

/// Without records, the number of shards can still be chosen once.
#[test]
fn a_journal_without_records_is_not_said_to_be_new() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let begun = |shards: &str, sentence: &str| {
        let mut serving = serve(&journal, shards);
        let line = serving.until("the journal ");
        assert_eq!(line, format!("nuncio: the journal {journal} {sentence}"));
        serving.stop("TERM");
    };
    begun("1", "is new");
    begun("1", "has no records yet");
    begun("2", "has no records yet; it is the journal of 2 shards");
    begun("2", "has no records yet; it is the journal of 2 shards");
}

/// A journal of two shards that was closed, with a job in each, and the ids of the jobs.
fn of_two(folder: &Folder) -> (String, Vec<String>) {
    let journal = folder.file("journal");
    let serving = serve(&journal, "2");
    let jobs = TOKENS.map(|token| {
        let token = token.split_once('=').unwrap().0;
        super::accepted(&serving.submit(token, &["echo"]))
    });
    serving.stop("TERM");
    (journal, jobs.into())
}

fn json(args: &[&str]) -> serde_json::Value {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(stdout(&output)).unwrap()
}

#[test]
fn a_copy_has_the_files_of_all_shards() {
    let folder = Folder::new();
    let (journal, jobs) = of_two(&folder);
    let mut serving = serve(&journal, "2");
    serving.until("restored");
    let (copy, again) = (folder.file("copy"), folder.file("again"));
    for (action, from, to) in [("backup", &journal, &copy), ("restore", &copy, &again)] {
        let copied = run(&["journal", action, from, to]);
        assert_eq!(copied.status.code(), Some(0), "{}", stderr(&copied));
        assert!(stdout(&copied).contains(&format!("in 2 files, to {to} and {to}.1")), "{}", stdout(&copied));
    }
    serving.stop("TERM");
    let checked = run(&["journal", "check", &again]);
    assert!(stdout(&checked).contains("in 2 files"), "{}{}", stdout(&checked), stderr(&checked));
    let mut serving = serve(&again, "2");
    let line = serving.until("restored");
    assert!(line.contains(&format!("restored {} sessions and {} jobs", jobs.len(), jobs.len())), "{line}");
}

#[test]
fn every_command_takes_all_shards() {
    let folder = Folder::new();
    let (journal, jobs) = of_two(&folder);
    let stats = json(&["journal", "stats", &journal, "--json"]);
    assert_eq!((&stats["jobs"]["success"], &stats["sessions"]), (&jobs.len().into(), &jobs.len().into()), "{stats}");
    let files = stats["files"].as_array().unwrap();
    assert_eq!(files.iter().map(|file| file["records"].as_u64().unwrap()).sum::<u64>(), stats["records"]);
    let records: Vec<_> = files.iter().map(|file| file["records"].as_u64().unwrap()).collect();
    assert!(records.len() == 2 && records.iter().all(|records| *records > 0), "both shards have some: {stats}");
    let sessions = run(&["journal", "sessions", &journal]);
    assert_eq!(stdout(&sessions).lines().count(), 1 + jobs.len(), "{}", stdout(&sessions));
    for job in &jobs {
        let replayed = run(&["replay", "--journal", &journal, "--job", job]);
        assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));
        assert!(stdout(&replayed).contains("job.result"), "{}", stdout(&replayed));
    }
    let compacted = run(&["journal", "compact", &journal, "--retain", "0s"]);
    assert_eq!(compacted.status.code(), Some(0), "{}", stderr(&compacted));
    let after = json(&["journal", "stats", &journal, "--json"]);
    assert_eq!(after["jobs"], stats["jobs"]);
    for (before, after) in files.iter().zip(after["files"].as_array().unwrap()) {
        assert!(after["records"].as_u64() < before["records"].as_u64(), "{before} {after}");
    }
}

#[test]
fn a_journal_without_one_of_its_files_is_not_whole() {
    let folder = Folder::new();
    let (journal, _) = of_two(&folder);
    let second = folder.file("journal.1");
    let copy = folder.file("copy");
    let commands: [&[&str]; 7] = [
        &["journal", "check", &journal],
        &["journal", "stats", &journal],
        &["journal", "sessions", &journal],
        &["journal", "compact", &journal],
        &["journal", "backup", &journal, &copy],
        &["journal", "restore", &journal, &copy],
        &["replay", "--journal", &journal, "--job", "job_"],
    ];
    let refused = |what: &str| {
        for command in commands {
            let output = run(command);
            assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{command:?}");
            assert!(stderr(&output).contains(what), "{command:?}: {}", stderr(&output));
        }
        assert!(!folder.path("copy").exists() && !folder.path("copy.1").exists());
    };
    let alone = run(&["journal", "check", &second]);
    assert_eq!((alone.status.code(), stdout(&alone)), (Some(1), ""));
    assert!(
        stderr(&alone).contains("is the file of shard 2 of 2 of a journal; give the first file"),
        "{}",
        stderr(&alone)
    );
    std::fs::rename(&second, folder.path("elsewhere")).unwrap();
    refused(&format!("the file of shard 2 of 2, {second}, is missing or empty"));
    std::fs::write(&second, "").unwrap();
    refused(&format!("the file of shard 2 of 2, {second}, is missing or empty"));
    // A copy of the first one.
    std::fs::copy(&journal, &second).unwrap();
    refused("is that of shard 1 of 2, and not that of shard 2 of 2");
}

#[test]
fn a_copy_that_cannot_be_written_names_itself() {
    let folder = Folder::new();
    let (journal, _) = of_two(&folder);
    let refused = |to: &str| {
        let output = run(&["journal", "backup", &journal, to]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(6), ""));
        stderr(&output).to_owned()
    };
    let nowhere = folder.file("nowhere/copy");
    let complaint = refused(&nowhere);
    assert!(complaint.contains(&format!("cannot write the copy {nowhere}.1: No such file")), "{complaint}");
    assert!(complaint.contains("check that its folder exists"), "{complaint}");
    // The file of the first shard is written last. What was written before is removed.
    std::fs::write(folder.path("copy"), "").unwrap();
    let complaint = refused(&folder.file("copy"));
    assert_eq!(
        complaint,
        format!(
            "nuncio: {} exists already, and a copy is never written over another file; give the copy another name\n",
            folder.file("copy")
        )
    );
    assert!(!folder.path("copy.1").exists());
}
