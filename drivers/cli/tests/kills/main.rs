//! `nuncio serve --journal` is killed under load, again and again, and started on its journal. No accepted job is lost, and
//! every client receives each event of its session once and in order.
//!
//! ```text
//! cargo test --release -p nuncio-cli --test kills              3 kills, as in the suite
//! cargo test --release -p nuncio-cli --test kills -- long      30 kills
//! ```
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test program")]

mod client;
mod server;

use std::thread;
use std::time::Duration;

use client::{Client, Tally};
use server::{Serving, Site};

const CLIENTS: usize = 6;

fn main() {
    // Other arguments, which the harness may pass, are ignored.
    let kills = if std::env::args().any(|argument| argument == "long") { 30 } else { 3 };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let site = &Site::default();
    let mut serving = Serving::start(&journal);
    site.ready(&serving.url);
    let mut restarts = Vec::new();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || Client::new(number).work(site))).collect();
        for kill in 0..kills {
            // Every server is killed after another number of frames.
            if !site.has_received(100 + kill * 397 % 1_500) {
                eprintln!("the clients receive nothing");
                std::process::exit(1);
            }
            site.gone();
            serving.kill();
            serving = Serving::start(&journal);
            restarts.push(serving.took);
            site.ready(&serving.url);
        }
        site.finish();
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| std::process::exit(1))).collect()
    });
    serving.kill();
    server::check(&journal);
    report(&tallies, restarts);
}

/// Prints what has happened, and checks that nothing is lost.
fn report(tallies: &[Tally], mut restarts: Vec<Duration>) {
    restarts.sort_unstable();
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (accepted, ended, interrupted) =
        (sum(|tally| tally.accepted), sum(|tally| tally.ended), sum(|tally| tally.interrupted));
    let (events, events_lost, events_twice) =
        (sum(|tally| tally.events), sum(|tally| tally.events_lost), sum(|tally| tally.events_twice));
    let lost = accepted - ended;
    let milliseconds = |at: usize| restarts.get(at).copied().unwrap_or_default().as_secs_f64() * 1_000.0;
    println!(
        "| kills | jobs accepted | ended | of these interrupted | lost | events | lost | twice | restart p50 / max |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {} | {accepted} | {ended} | {interrupted} | {lost} | {events} | {events_lost} | {events_twice} | {:.0} / {:.0} ms |",
        restarts.len(),
        milliseconds(restarts.len() / 2),
        milliseconds(restarts.len().saturating_sub(1)),
    );
    assert_eq!((lost, events_lost, events_twice), (0, 0, 0), "nothing is lost, and no event comes twice");
    assert!(accepted > restarts.len() && !restarts.is_empty(), "the server was killed under load");
}
