//! A full disk: while the server runs, the size of its files is limited from outside.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nuncio_tests::raw::{hello, text};
use nuncio_tests::temp_dir::TempDir;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::client::{Client, FEATURES, Profile, TALKER};
use super::connection::Connection;
use super::issuer::Issuer;
use super::ledger::Connected;
use super::process::ServerProcess;
use super::scenario::{Shared, check_journal};
use super::server::Serve;

const ASKING: Profile = Profile { name: "asking", agents: &["talk"], ..TALKER };
const BYSTANDER: Profile = Profile { name: "bystander", ..ASKING };

/// A server that cannot write says why it does not start, and starts once it can.
pub(crate) fn full_at_the_start(smol: bool) {
    let directory = TempDir::new();
    let shared = Arc::new(Shared::default());
    let serve = serve(smol, &directory, Issuer::open(&shared.process).1);
    for known in [false, true] {
        let why = shared.process.start_with(&mut limited(&serve, "ulimit -S -f 0;"), None).unwrap_err();
        assert!(why.contains("journal"), "{known}: {why}");
        assert!(shared.process.start(&serve, None).unwrap().is_some(), "the server starts once it can write");
        shared.process.kill();
    }
}

/// The disk becomes full in the middle of a commit, after `room` bytes of it. No client is sent what is not written,
/// and nothing that was sent is lost. With `again`, there is room again before the server is killed.
pub(crate) fn full_at_run_time(smol: bool, room: u64, again: bool) {
    let directory = TempDir::new();
    let shared = Arc::new(Shared::default());
    let serve = serve(smol, &directory, Issuer::open(&shared.process).1);
    let url = shared.process.start_with(&mut limited(&serve, ""), None).unwrap().unwrap();
    let [mut asking, mut bystander] = [ASKING, BYSTANDER].map(|profile| Client::new(profile, &shared));
    let (mut connection, mut on) = asking.connect(&url, 0).unwrap();
    let (mut other, mut other_on) = bystander.connect(&url, 0).unwrap();
    submit(&mut asking, &mut connection, 0);
    end(&mut asking, &mut connection, &mut on);
    // The client's first frame proves its token, so that its next frames store nothing.
    pong(&mut bystander, &mut other, &mut other_on);

    let written = std::fs::metadata(wal(&serve.journal)).unwrap().len();
    limit(&shared.process, Some(written + room));
    submit(&mut asking, &mut connection, 1);
    shared.process.wait_for("the journal cannot be written");
    submit(&mut bystander, &mut other, 0);
    let refused = bystander.read_any(&mut other, &mut other_on).unwrap();
    assert_eq!((refused.kind.as_str(), &refused.payload["code"]), ("session.error", &json!("INTERNAL_ERROR")));
    assert_eq!(refused.payload["retryable"], true);
    pong(&mut bystander, &mut other, &mut other_on);
    let mut third = Connection::open(&url).unwrap();
    third.send(&hello(TALKER.token, &FEATURES, &Value::Null));
    let answer: Value = serde_json::from_str(&third.read().unwrap()).unwrap();
    assert!(text(&answer, "/payload/message").contains("cannot store"), "no session is opened: {answer}");

    if again {
        limit(&shared.process, None);
        end(&mut asking, &mut connection, &mut on);
        // The server accepts new work a moment after the events were sent.
        loop {
            let index = bystander.submits.len() - 1;
            bystander.submit(&mut other, index, true);
            if bystander.read_any(&mut other, &mut other_on).unwrap().kind == "job.accepted" {
                break;
            }
        }
        end(&mut bystander, &mut other, &mut other_on);
    }
    shared.process.kill();
    // Frames may have been on their way when the server was killed.
    while asking.read(&mut connection, &mut on).is_some() {}
    assert_eq!(asking.submits[1].job.is_some(), again, "a submit is answered if and only if it was written");

    let url = shared.process.start(&serve, None).unwrap().unwrap();
    asking.finish(&url);
    bystander.finish(&url);
    shared.process.kill();
    check_journal(&serve.journal);
}

fn serve(smol: bool, directory: &TempDir, issuer: String) -> Serve {
    Serve { smol, full: true, small: false, logs: true, shards: 1, journal: directory.file("journal"), issuer }
}

/// Returns a command that starts a server whose writes fail beyond the limit, instead of ending it with a signal.
fn limited(serve: &Serve, first: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap '' XFSZ; {first} exec \"$0\" \"$@\""));
    command.arg(std::env::current_exe().unwrap()).args(serve.arguments());
    command
}

fn limit(process: &ServerProcess, bytes: Option<u64>) {
    let process = Pid::from_raw(process.id()).unwrap();
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn wal(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn submit(client: &mut Client, connection: &mut Connection, number: usize) {
    client.plan_submit(number);
    client.submit(connection, number, true);
}

fn end(client: &mut Client, connection: &mut Connection, on: &mut Connected) {
    while client.unfinished() > 0 {
        client.read(connection, on).unwrap();
    }
}

fn pong(client: &mut Client, connection: &mut Connection, on: &mut Connected) {
    client.request(connection, "session.ping", &json!({"nonce": "n"}));
    assert_eq!(client.read(connection, on).unwrap().kind, "session.pong");
}
