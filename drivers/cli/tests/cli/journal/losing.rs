//! A journal that is used twice, lost, copied, or on a full disk.

use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{Folder, serve};
use crate::support::{Serving, http, nuncio, run, stderr, stdout};

#[test]
fn a_second_server_is_told_who_uses_the_journal_whichever_path_it_takes() {
    let folder = Folder::new();
    let serving = serve(&folder.file("journal"));
    symlink(folder.path("journal"), folder.path("symlink")).unwrap();
    let second = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &folder.file("symlink")];
    let output = run(&second);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    let said = stderr(&output);
    assert!(said.contains("is in use by another process"), "{said}");
    if cfg!(target_os = "linux") && std::path::Path::new("/proc/locks").exists() {
        assert!(said.contains(&serving.child.id().to_string()), "{said}");
    }
    let checked = run(&["journal", "check", &folder.file("symlink")]);
    assert_eq!(
        checked.status.code(),
        Some(0),
        "its log is beside the file that the link leads to: {}",
        stderr(&checked)
    );
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0), "the first goes on");
    assert_eq!(folder.names(), ["journal", "journal-shm", "journal-wal", "symlink"]);
}

#[test]
fn a_server_whose_journal_is_deleted_ends() {
    let folder = Folder::new();
    let mut serving = serve(&folder.file("journal"));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    std::fs::remove_file(folder.path("journal")).unwrap();
    // Though nothing is stored.
    serving.until("stopped, because the journal is lost");
    assert_eq!(serving.ended(), (Some(6), String::new()));
}

/// `SQLite` deletes a log when it creates the file that the log belongs to.
#[test]
fn a_log_without_its_journal_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    serving.stop("KILL");
    std::fs::rename(&journal, folder.path("hidden")).unwrap();
    let log = std::fs::read(folder.path("journal-wal")).unwrap();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &journal];
    let check = ["journal", "check", &journal];
    for command in [&flags[..], &[&flags[..], &["--check"]].concat(), &check] {
        let refused = run(command);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(1), ""), "{command:?}");
        let said =
            format!("the journal {journal} is missing, although its log {journal}-wal is there; put the journal back");
        assert!(stderr(&refused).contains(&said), "{}", stderr(&refused));
        assert_eq!(std::fs::read(folder.path("journal-wal")).unwrap(), log);
        assert!(!folder.path("journal").exists());
    }
    std::fs::rename(folder.path("hidden"), &journal).unwrap();
    serve(&journal).until("restored 1 session and 1 job");
}

#[test]
fn a_server_that_does_not_start_creates_no_journal() {
    let folder = Folder::new();
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let used = used.local_addr().unwrap().to_string();
    let journal = folder.file("journal");
    let flags = ["serve", "--demo-agents", "--token", "t=me", "--journal", &journal, "--shards", "2"];
    let faults: [&[&str]; 5] = [
        &["--listen", "127.0.0.1:0", "--metrics", &used],
        &["--listen", "127.0.0.1:0", "--console", &used],
        &["--listen", &used],
        &["--listen", "127.0.0.1:0", "--allow-host", "a b"],
        &["--listen", "127.0.0.1:0", "--tls-cert", &journal, "--tls-key", &journal],
    ];
    for fault in faults {
        let refused = run(&[&flags, fault].concat());
        assert!(!refused.status.success(), "{fault:?}");
        assert_eq!(folder.names(), [""; 0], "{fault:?}");
    }
}

#[test]
fn a_backup_is_made_of_a_journal_in_use_and_restored() {
    let folder = Folder::new();
    let [journal, backup, restored] = ["journal", "backup", "restored"].map(|name| folder.file(name));
    let serving = serve(&journal);
    assert_eq!(serving.submit("t", &["echo", "--idempotency-key", "once"]).status.code(), Some(0));
    let output = run(&["journal", "backup", &journal, &backup]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("backed up: "), "{}", stdout(&output));
    let again = run(&["journal", "backup", &journal, &backup]);
    assert_eq!(again.status.code(), Some(6));
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));

    // The file alone is not whole.
    let alone = folder.file("alone");
    std::fs::copy(&journal, &alone).unwrap();
    for command in [&["journal", "check", &alone][..], &["journal", "restore", &alone, &restored]] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("write-ahead log"), "{}", stderr(&output));
    }
    let server = run(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal", &alone]);
    assert_eq!(server.status.code(), Some(1));
    assert!(stderr(&server).contains("is not whole"), "{}", stderr(&server));
    serving.stop("KILL");

    let over = run(&["journal", "restore", &backup, &journal]);
    assert_eq!(over.status.code(), Some(6));
    assert!(stderr(&over).contains("restore does not replace a journal; restore to another path"), "{}", stderr(&over));
    let output = run(&["journal", "restore", &backup, &restored]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut serving = serve(&restored);
    let line = serving.until("restored");
    assert!(line.contains("restored 1 session and 1 job from the journal"), "{line}");
}

#[test]
fn a_full_disk_is_said_and_everything_else_goes_on() {
    let folder = Folder::new();
    // Writes beyond the limit fail, instead of ending the server with a signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    let real = nuncio(&["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--token", "t=me"]);
    command.arg(real.get_program()).args(real.get_args());
    command.args(["--journal", &folder.file("journal"), "--metrics", "127.0.0.1:0"]).env_remove("RUST_LOG");
    let mut serving = Serving::of(command);
    let metrics = serving.metrics();
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
    assert!(http(&metrics, "/readyz").ends_with("ready\n"));

    let limit = |bytes: Option<u64>| {
        let process = Pid::from_child(&serving.child);
        prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    };
    limit(Some(0));
    // It waits until what it needs can be stored.
    let mut waiting = nuncio(&["submit", "--url", &serving.url, "--token", "t", "echo"]).spawn().unwrap();
    let ready = loop {
        let ready = http(&metrics, "/readyz");
        if !ready.ends_with("ready\n") {
            break ready;
        }
    };
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("the journal cannot be written\n"), "{ready}");
    let text = http(&metrics, "/metrics");
    let value = |name: &str| {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        let value = line.and_then(|line| line.split(' ').nth(1)).unwrap_or_else(|| panic!("no {name} in {text}"));
        value.parse::<f64>().unwrap()
    };
    assert!(value("nuncio_journal_failing_seconds") > 0.0);
    assert!(value("nuncio_journal_bytes") > 0.0 && value("nuncio_journal_commit_seconds_count") > 0.0);
    assert!(value("nuncio_journal_commit_seconds_sum") >= value("nuncio_journal_last_commit_seconds"));
    limit(None);
    serving.until("the journal cannot be written");
    serving.until("the journal can be written again");
    assert!(http(&metrics, "/readyz").ends_with("ready\n"));
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}
