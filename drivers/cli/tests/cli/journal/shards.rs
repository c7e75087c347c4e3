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
        let refused = run(&flags);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), ""));
        let complaint = stderr(&refused);
        assert!(complaint.contains("belongs to shard 1 of 2"), "{complaint}");
        assert!(complaint.contains("start nuncio serve with --shards 2"), "{complaint}");
    }
    std::fs::remove_file(folder.path("journal.1")).unwrap();
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal, "--shards", "2"]);
    assert!(stderr(&refused).contains("the journal of shard 2 of 2 is new"), "{}", stderr(&refused));
}
