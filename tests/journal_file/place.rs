//! Where a journal is: who uses it, whether it is whole and still there, and copies of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use nuncio_shared::arcp::journal::JournalError;

use super::*;

fn beside(directory: &TempDir, suffix: &str) -> PathBuf {
    directory.file(&format!("journal{suffix}"))
}

#[test]
fn a_journal_is_locked_whichever_path_leads_to_it() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    symlink(directory.file("journal"), directory.file("symlink")).unwrap();
    fs::hard_link(directory.file("journal"), directory.file("link")).unwrap();
    for path in ["journal", "symlink", "link"] {
        let error = SqliteJournal::open(directory.file(path), options()).unwrap_err();
        let JournalError::Locked(holder) = &error else { panic!("{path}: {error}") };
        assert_eq!(holder.process(), Some(std::process::id()), "{path}");
    }
    journal.commit(&[(1, opened())]).unwrap();
    drop(journal);
    let mut again = SqliteJournal::open(directory.file("symlink"), options()).unwrap();
    assert_eq!(loaded(&mut again).len(), 1);
}

#[test]
fn no_file_is_left_beside_what_is_no_journal() {
    let directory = TempDir::new();
    let text = "root:x:0:0:root:/root:/bin/sh\n".repeat(40);
    fs::write(directory.file("journal"), &text).unwrap();
    assert!(matches!(SqliteJournal::open(directory.file("journal"), options()).unwrap_err(), JournalError::Damaged(_)));
    let left: Vec<_> = fs::read_dir(directory.file("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["journal"]);
    assert_eq!(fs::read_to_string(directory.file("journal")).unwrap(), text);
}

#[test]
fn a_lock_of_an_earlier_version_is_respected() {
    let directory = TempDir::new();
    let lock = fs::File::create(beside(&directory, ".lock")).unwrap();
    lock.lock().unwrap();
    let error = SqliteJournal::open(directory.file("journal"), options()).unwrap_err();
    assert!(matches!(error, JournalError::Locked(_)), "{error}");
    drop(lock);
    open(&directory, options());
}

#[test]
fn a_journal_that_is_deleted_moved_or_replaced_is_noticed() {
    for what in ["deleted", "moved", "replaced"] {
        let directory = TempDir::new();
        let mut journal = open(&directory, options());
        journal.commit(&[(1, opened())]).unwrap();
        journal.probe().unwrap();
        fs::rename(directory.file("journal"), directory.file("elsewhere")).unwrap();
        match what {
            "deleted" => fs::remove_file(directory.file("elsewhere")).unwrap(),
            "replaced" => fs::write(directory.file("journal"), "").unwrap(),
            _ => {}
        }
        for error in [journal.probe().unwrap_err(), journal.commit(&[(2, accepted(&job(1)))]).unwrap_err()] {
            assert!(matches!(error, JournalError::Gone(_)) && error.is_final(), "{what}: {error}");
        }
    }
}

#[test]
fn records_of_another_program_are_noticed() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    journal.commit(&[(1, opened())]).unwrap();
    // It has used the number that comes next here.
    let error = journal.commit(&[(1, accepted(&job(1)))]).unwrap_err();
    assert!(matches!(error, JournalError::Foreign(_)) && error.is_final(), "{error}");
}

#[test]
fn a_copy_without_the_log_is_refused() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    journal.commit(&[(1, opened())]).unwrap();
    fs::copy(directory.file("journal"), directory.file("alone")).unwrap();
    let before = fs::read(directory.file("alone")).unwrap();
    let errors = [
        SqliteJournal::open(directory.file("alone"), options()).unwrap_err(),
        SqliteJournal::look(directory.file("alone")).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, JournalError::Incomplete(_)) && error.is_final(), "{error}");
        assert!(error.to_string().contains("alone-wal is missing"), "{error}");
    }
    assert_eq!(fs::read(directory.file("alone")).unwrap(), before, "it is not changed");
    // With its log it is whole.
    fs::copy(directory.file("journal"), directory.file("both")).unwrap();
    fs::copy(beside(&directory, "-wal"), directory.file("both-wal")).unwrap();
    assert_eq!(loaded(&mut SqliteJournal::open(directory.file("both"), options()).unwrap()).len(), 1);
    // Once it was closed, the file alone is whole.
    drop(journal);
    assert!(!beside(&directory, "-wal").exists());
    fs::copy(directory.file("journal"), directory.file("closed")).unwrap();
    assert_eq!(loaded(&mut SqliteJournal::look(directory.file("closed")).unwrap()).len(), 1);
}

#[test]
fn a_backup_is_made_while_the_journal_is_written_and_is_whole() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    journal.commit(&[(1, opened())]).unwrap();
    let history = history(3);
    for part in history.chunks(50) {
        let part: Vec<_> = part.iter().map(|(seq, record)| (seq + 1, record.clone())).collect();
        journal.commit(&part).unwrap();
    }
    // As another process does.
    let stats = SqliteJournal::look(directory.file("journal")).unwrap().backup(directory.file("backup")).unwrap();
    journal.commit(&[(10_000, accepted(&job(9)))]).unwrap();
    let names: Vec<_> = fs::read_dir(directory.file("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with("backup.")), "{names:?}");
    assert_eq!(fs::metadata(directory.file("backup")).unwrap().permissions().mode() & 0o777, 0o600);
    let copy = SqliteJournal::look(directory.file("backup")).unwrap();
    assert_eq!(copy.check().unwrap(), stats);
    assert_eq!(stats.records, history.len() as u64 + 1);
    drop(copy);
    let mut copy = SqliteJournal::open(directory.file("backup"), options()).unwrap();
    assert_eq!(loaded(&mut copy).len(), history.len() + 1);
    let again = journal.backup(directory.file("backup")).unwrap_err();
    assert!(again.to_string().contains("exists"), "{again}");
}

#[test]
fn space_is_left_on_the_disk() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    journal.commit(&[(1, opened())]).unwrap();
    drop(journal);
    let mut journal = open(&directory, SqliteOptions { min_free: u64::MAX, ..options() });
    let error = journal.commit(&[(2, accepted(&job(1)))]).unwrap_err();
    assert!(matches!(error, JournalError::Full) && !error.is_final(), "{error}");
    drop(journal);
    let mut journal = open(&directory, SqliteOptions { min_free: 1, ..options() });
    journal.commit(&[(2, accepted(&job(1)))]).unwrap();
}
