//! What was acknowledged survives SIGKILL: a server process is killed at 200 points under load and restarted on its
//! journal, and its clients compare what they are told with what they were told before.
//!
//! This program is its own server, so it has no test harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test program")]

mod client;
#[cfg(target_os = "linux")]
mod disk;
mod lane;
mod ledger;
mod line;
mod server;
mod trap;
mod upstream;

use std::thread;
use std::time::Instant;

use lane::{Place, Tally};
use server::Serve;
use trap::Point;

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
    // `cargo test --test restart -- 3` runs one lane; the harness's other arguments do not matter.
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
        "{} kills, {} jobs, {} events seen and {} seen again, {} credentials, {} records; {:?}",
        sum(|tally| tally.kills as u64),
        sum(|tally| tally.jobs as u64),
        sum(|tally| tally.events as u64),
        sum(|tally| tally.compared),
        sum(|tally| tally.credentials),
        sum(|tally| tally.records),
        begun.elapsed(),
    );
}

fn killed(lane: u32) -> Tally {
    let place = Place::new(&lane.to_string());
    let serve = Serve {
        smol: lane % 4 == 3,
        full: lane.is_multiple_of(2),
        small: lane >= LANES / 2,
        logs: false,
        journal: place.file(),
        upstream: String::new(),
    };
    let points: Vec<_> = (0..KILLS).map(|kill| point(kill * LANES + lane)).collect();
    lane::run(serve, &points)
}

/// The last moment of the server with this number.
fn point(number: u32) -> (Point, u32) {
    let round = number / 20;
    match number % 20 {
        // A different number for every one.
        0 | 2 | 4 | 5 | 7 | 9 | 11 | 13 | 15 => (Point::Fresh, 1 + number),
        1 | 10 => (Point::Frame, 1 + number),
        3 => (Point::Submit, 1 + round * 3),
        16 => (Point::Submit, 2 + round * 3),
        6 => (Point::Ack, 1 + round),
        8 => (Point::Cancel, 1 + round / 3),
        12 => (Point::Mint, 1 + round),
        14 => (Point::Minted, 1 + round),
        17 => (Point::Rotate, 1 + round),
        18 => (if round.is_multiple_of(2) { Point::Revoke } else { Point::Revoked }, 1 + round),
        _ => (if round.is_multiple_of(2) { Point::Opening } else { Point::Ready }, 1),
    }
}
