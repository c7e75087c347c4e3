//! What a hostile tenant with one token can do to another tenant, and to the memory of the server.
//!
//! For each attack this program starts a server and a hostile tenant, as processes of their own, and works as another
//! tenant meanwhile. That one must lose nothing and be refused nothing, and the memory of the server must follow its
//! limit. How fast it is served is shown, not asserted. In the suite, the attacks are small and so are the limits:
//!
//! ```text
//! cargo test --release -p nuncio-tests --test attacks -- long             all attacks at full size, as a table
//! cargo test --release -p nuncio-tests --test attacks -- long leases      some of them
//! ```
//!
//! This program is its own server, so it does without a test harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test program")]

mod attack;
mod process;
mod server;
mod victim;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use attack::{ATTACKS, Attack, Scale, UNKNOWN};
use process::Process;
use victim::{Measured, Victim};

/// The memory of a server that no limit counts: threads, sockets, tables, and what an allocator keeps.
const SLACK: u64 = 96 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    drop(nuncio_shared::io::raise_descriptor_limit());
    match words[..] {
        ["serve", name, scale] => return server::run(attack::config(name, Scale::parse(scale).unwrap())),
        ["attack", name, scale, url] => return attack::run(name, Scale::parse(scale).unwrap(), url),
        _ => {}
    }
    let scale = words.iter().find_map(|word| Scale::parse(word)).unwrap_or(Scale::Short);
    // Other arguments, which the harness may pass, are ignored.
    a_tenant_that_dies_is_noticed();
    let named: Vec<&Attack> = ATTACKS.iter().filter(|attack| words.contains(&attack.name)).collect();
    let chosen = if named.is_empty() { ATTACKS.iter().collect() } else { named };
    println!("| attack | answers to it | ping p50 / p99 | job p50 / p99 | login p50 / p99 | memory before / most |");
    println!("|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    // Times are only worth showing if one attack has the machine for itself.
    let at_once = if scale == Scale::Long { 1 } else { 4 };
    for attacks in chosen.chunks(at_once) {
        let outcomes: Vec<Result<Outcome, String>> = thread::scope(|scope| {
            let running: Vec<_> = attacks.iter().map(|attack| scope.spawn(|| endure(attack, scale))).collect();
            running.into_iter().map(|running| running.join().unwrap_or_else(|_| std::process::exit(1))).collect()
        });
        for (attack, outcome) in attacks.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    println!("{}", outcome.row(attack));
                    if outcome.most > outcome.allowed {
                        let (most, allowed) = (mib(outcome.most), mib(outcome.allowed));
                        failed.push(format!("{}: the server has {most} MiB, allowed {allowed}", attack.name));
                    }
                }
                Err(error) => failed.push(format!("{}: {error}", attack.name)),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A hostile tenant that ends before its attack is over ends the attack at once, and is heard.
fn a_tenant_that_dies_is_noticed() {
    let Err(error) = endure(&UNKNOWN, Scale::Short) else { panic!("the tenant has died") };
    assert!(error.contains("exit status: 101") && error.contains("a known attack"), "{error}");
}

struct Outcome {
    answers: String,
    measured: Measured,
    before: u64,
    most: u64,
    allowed: u64,
}

/// Carries out an attack while another tenant works, and checks that this one has lost nothing. Fails if the server does not
/// start, or the hostile tenant does not live until the end of its attack.
fn endure(attack: &Attack, scale: Scale) -> Result<Outcome, String> {
    let mut server = Process::start(&["serve", attack.name, scale.name()]);
    let url = server.line("READY").map_err(|error| format!("the server: {error}"))?;
    let victim = Victim::new(&url);
    let before = server.memory();
    let (stop, most) = (AtomicBool::new(false), AtomicU64::new(before));
    let (answers, measured) = thread::scope(|scope| {
        let working = scope.spawn(|| victim.work(&stop));
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                most.fetch_max(server.memory(), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut hostile = Process::start(&["attack", attack.name, scale.name(), &url]);
        let answers = hostile.line("DONE");
        // The others end with the attack, however that has ended.
        stop.store(true, Ordering::SeqCst);
        (answers, working.join().unwrap_or_else(|_| panic!("{}: the other tenant was hurt", attack.name)))
    });
    let answers = answers.map_err(|error| format!("the hostile tenant: {error}"))?;
    assert!(server.is_alive(), "{}: the server has ended", attack.name);
    victim.check();
    let limit = attack::config(attack.name, scale).limits.bytes as u64;
    Ok(Outcome { answers, measured, before, most: most.into_inner(), allowed: before + limit + limit / 2 + SLACK })
}

impl Outcome {
    fn row(&self, attack: &Attack) -> String {
        let Measured { pings, jobs, logins } = &self.measured;
        let times = [pings, jobs, logins].map(|times| {
            let shown = |share| times.quantile(share).as_secs_f64() * 1_000.0;
            format!("{:.1} / {:.1} ms", shown(0.5), shown(0.99))
        });
        let (title, answers) = (attack.title, &self.answers);
        format!("| {title} | {answers} | {} | {} / {} MiB |", times.join(" | "), mib(self.before), mib(self.most))
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
