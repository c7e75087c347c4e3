//! What was acknowledged survives SIGKILL: a server process is killed at 200 points under load and restarted on its
//! journal, and its clients compare what they are sent with what they were sent before.
//!
//! This program is its own server, so it does without a test harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test program")]

mod client;
mod connection;
#[cfg(target_os = "linux")]
mod disk;
mod issuer;
mod ledger;
mod process;
mod scenario;
mod server;

use std::thread;
use std::time::Instant;

use nuncio_tests::temp_dir::TempDir;
use process::KillPoint;
use scenario::Tally;
use server::Serve;

const LANES: u32 = 8;
const KILLS: u32 = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(serve) = Serve::parse(&arguments) {
        return serve.run();
    }
    #[cfg(target_os = "linux")]
    for smol in [false, true] {
        disk::full_at_the_start(smol);
        for (room, again) in [(0, true), (1, false), (4_000, true), (4_200, false), (9_000, true)] {
            disk::full_at_run_time(smol, room, again);
        }
    }
    // `cargo test --test restart -- 3` runs one lane; other arguments, which the harness may pass, are ignored.
    let only: Option<u32> = arguments.iter().find_map(|argument| argument.parse().ok());
    let begun = Instant::now();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .filter(|lane| only.is_none_or(|only| only == *lane))
            .map(|lane| (lane, scope.spawn(move || killed(lane))))
            .collect();
        lanes
            .into_iter()
            .map(|(lane, running)| running.join().unwrap_or_else(|_| panic!("lane {lane} failed")))
            .collect()
    });
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    println!(
        "{} kills, {} jobs, {} events seen and {} seen again, {} credentials, {} runs repeated, {} records; {:?}",
        sum(|tally| tally.kills as u64),
        sum(|tally| tally.jobs as u64),
        sum(|tally| tally.events as u64),
        sum(|tally| tally.compared),
        sum(|tally| tally.credentials),
        sum(|tally| tally.reruns),
        sum(|tally| tally.records),
        begun.elapsed(),
    );
}

fn killed(lane: u32) -> Tally {
    let directory = TempDir::new();
    let serve = Serve {
        smol: lane % 4 == 3,
        full: lane.is_multiple_of(2),
        small: lane >= LANES / 2,
        logs: false,
        // Those of alice and of bob are neither the first nor the same.
        shards: if lane % 4 >= 2 { 4 } else { 1 },
        journal: directory.file("journal"),
        issuer: String::new(),
    };
    let points: Vec<_> = (0..KILLS).map(|kill| point(kill * LANES + lane)).collect();
    scenario::run(serve, &points)
}

/// Returns the point at which the server with this number is killed.
fn point(number: u32) -> (KillPoint, u32) {
    let round = number / 20;
    match number % 20 {
        // Every server counts to a different number.
        0 | 2 | 4 | 5 | 7 | 9 | 11 | 13 | 15 => (KillPoint::Fresh, 1 + number),
        1 | 10 => (KillPoint::Frame, 1 + number),
        3 => (KillPoint::Submit, 1 + round * 3),
        16 => (KillPoint::Submit, 2 + round * 3),
        6 => (KillPoint::Ack, 1 + round),
        8 => (KillPoint::Cancel, 1 + round / 3),
        12 => (KillPoint::Mint, 1 + round),
        14 => (KillPoint::Minted, 1 + round),
        17 => (KillPoint::Rotate, 1 + round),
        18 => (if round.is_multiple_of(2) { KillPoint::Revoke } else { KillPoint::Revoked }, 1 + round),
        _ => (if round.is_multiple_of(2) { KillPoint::Opening } else { KillPoint::Ready }, 1),
    }
}
