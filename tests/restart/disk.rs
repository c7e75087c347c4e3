//! A disk without room, as the system shows it: the size of files is limited, from outside, while the server runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nuncio_tests::raw::{hello, text};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::client::{Client, FEATURES, Habits, TALKER};
use super::lane::{Place, Shared, sound};
use super::ledger::Connected;
use super::line::Line;
use super::server::Serve;
use super::trap::Trap;
use super::upstream::Upstream;

const ASKING: Habits = Habits { name: "asking", agents: &["talk"], ..TALKER };
const BYSTANDER: Habits = Habits { name: "bystander", ..ASKING };

/// Says why a server does not start where it cannot write, and starts where it can.
pub(crate) fn full_at_the_start(smol: bool) {
    let place = Place::new(&format!("start-{smol}"));
    let shared = Arc::new(Shared::default());
    let serve = serve(smol, &place, Upstream::open(&shared.trap).1);
    for known in [false, true] {
        let why = shared.trap.start_by(&mut limited(&serve, "ulimit -S -f 0;"), None).unwrap_err();
        assert!(why.contains("journal"), "{known}: {why}");
        assert!(shared.trap.start(&serve, None).unwrap().is_some(), "with room it starts");
        shared.trap.kill();
    }
}

/// The disk is full in the middle of a commit, after so many bytes of it. Nobody is told what is not written, nothing that
/// was told is lost; `again` says that there is room again before the server is killed.
pub(crate) fn full_at_run_time(smol: bool, room: u64, again: bool) {
    let place = Place::new(&format!("run-{smol}-{room}-{again}"));
    let shared = Arc::new(Shared::default());
    let serve = serve(smol, &place, Upstream::open(&shared.trap).1);
    let url = shared.trap.start_by(&mut limited(&serve, ""), None).unwrap().unwrap();
    let [mut asking, mut bystander] = [ASKING, BYSTANDER].map(|habits| Client::new(habits, &shared));
    let (mut line, mut on) = asking.greet(&url, 0).unwrap();
    let (mut other, mut other_on) = bystander.greet(&url, 0).unwrap();
    submit(&mut asking, &mut line, 0);
    end(&mut asking, &mut line, &mut on);
    // Its first frame proves its token: its next ones store nothing.
    pong(&mut bystander, &mut other, &mut other_on);

    let written = std::fs::metadata(wal(&serve.journal)).unwrap().len();
    limit(&shared.trap, Some(written + room));
    submit(&mut asking, &mut line, 1);
    shared.trap.wait_for("the journal cannot be written");
    submit(&mut bystander, &mut other, 0);
    let refused = bystander.read_any(&mut other, &mut other_on).unwrap();
    assert_eq!((refused.kind.as_str(), &refused.payload["code"]), ("session.error", &json!("INTERNAL_ERROR")));
    assert_eq!(refused.payload["retryable"], true);
    pong(&mut bystander, &mut other, &mut other_on);
    let mut third = Line::open(&url).unwrap();
    third.send(&hello(TALKER.token, &FEATURES, &Value::Null));
    let answer: Value = serde_json::from_str(&third.read().unwrap()).unwrap();
    assert!(text(&answer, "/payload/message").contains("cannot store"), "no session is opened: {answer}");

    if again {
        limit(&shared.trap, None);
        end(&mut asking, &mut line, &mut on);
        // The server goes on a moment after that is told.
        loop {
            let index = bystander.submits.len() - 1;
            bystander.ask(&mut other, index, true);
            if bystander.read_any(&mut other, &mut other_on).unwrap().kind == "job.accepted" {
                break;
            }
        }
        end(&mut bystander, &mut other, &mut other_on);
    }
    shared.trap.kill();
    // What was on its way when it was killed.
    while asking.read(&mut line, &mut on).is_some() {}
    assert_eq!(asking.submits[1].job.is_some(), again, "what is not written is not answered");

    let url = shared.trap.start(&serve, None).unwrap().unwrap();
    asking.finish(&url);
    bystander.finish(&url);
    shared.trap.kill();
    sound(&serve.journal);
}

fn serve(smol: bool, place: &Place, upstream: String) -> Serve {
    Serve { smol, full: true, small: false, logs: true, journal: place.file(), upstream }
}

/// A server whose writes fail beyond the limit; by default the signal would end it.
fn limited(serve: &Serve, first: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap '' XFSZ; {first} exec \"$0\" \"$@\""));
    command.arg(std::env::current_exe().unwrap()).args(serve.arguments());
    command
}

fn limit(trap: &Trap, bytes: Option<u64>) {
    let process = Pid::from_raw(trap.id()).unwrap();
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn wal(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn submit(client: &mut Client, line: &mut Line, number: usize) {
    client.want(number);
    client.ask(line, number, true);
}

fn end(client: &mut Client, line: &mut Line, on: &mut Connected) {
    while client.under_way() > 0 {
        client.read(line, on).unwrap();
    }
}

fn pong(client: &mut Client, line: &mut Line, on: &mut Connected) {
    client.request(line, "session.ping", &json!({"nonce": "n"}));
    assert_eq!(client.read(line, on).unwrap().kind, "session.pong");
}
