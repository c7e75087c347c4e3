//! `nuncio cap watch`.

mod filter;
mod packet;
mod print;

use std::io::{self, Write as _};

use clap::Args;
use nuncio_core::cap::Keyring;
use nuncio_tokio::cap::{Bus as _, Received, Subscription};

use super::keys::Peers;
use super::servers::BusOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Interrupts;
use crate::text::eprint_line;
use filter::Filter;
use packet::Packet;

const AFTER_HELP: &str = "\
Examples:
  nuncio cap watch --keys keys
  nuncio cap watch --job job-1 --kind JobProgress --kind JobResult
  nuncio cap watch --json | jq 'select(.signature != \"verified\")'

A line shows the time, subject, payload, job, sender and content of a packet,
and the state of its signature: `verified` if a key of its sender in --keys
signed it, `unsigned`, `unknown key`, `WRONG SIGNATURE`, or `unverified`
without --keys. A packet that breaks a rule of the protocol is printed with
that rule. So is a sealed packet (`--production`) that has expired, or that
came on another subject than its own.

Exit codes:
  0    the number of packets that --count gives was printed
  2    invalid usage
  6    the bus is unreachable, or the connection is lost
  7    stdout cannot be written
  130  ended by Ctrl-C";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Also print the job requests of this topic; `*` stands for one word, and `>` for all words that follow
    #[arg(long, value_name = "SUBJECT", default_values = ["job.>"])]
    topic: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// End after this many packets
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    peers: Peers,
    #[command(flatten)]
    bus: BusOptions,
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let keys = options.peers.keyring()?;
    let mut interrupts = Interrupts::listen().map_err(Error::System)?;
    tokio::select! {
        exit = watch(options, keys.as_ref()) => exit,
        () = interrupts.reach(1) => Ok(Exit::Interrupted),
    }
}

async fn watch(options: &Options, keys: Option<&Keyring>) -> Result<Exit, Error> {
    let connecting = options.bus.connect("nuncio-watch");
    let Some(bus) = options.bus.reached(connecting, std::future::pending()).await else { return Ok(Exit::Interrupted) };
    let bus = bus?;
    let mut subscriptions = Vec::new();
    for subject in ["sys.>", "worker.*.jobs"].into_iter().chain(options.topic.iter().map(String::as_str)) {
        let subscription = bus.subscribe(subject, None).await;
        subscriptions.push(subscription.map_err(|error| Error::Usage(format!("cannot watch {subject:?}: {error}")))?);
    }
    bus.flush().await.map_err(|error| Error::NoBus(error.to_string()))?;
    eprint_line("watching; press Ctrl-C to end");
    let mut printed = 0;
    while options.count.is_none_or(|count| printed < count) {
        let Some(received) = next(&mut subscriptions).await else {
            return Err(Error::NoBus("the connection to NATS was closed".to_owned()));
        };
        let packet = Packet::read(&received.message, keys, crate::time::now());
        if options.filter.admits(&packet) {
            let line = if options.json { print::json(&packet) } else { print::line(&packet) };
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::stdout)?;
            printed += 1;
        }
    }
    Ok(Exit::Success)
}

/// Returns the next message of any subscription, or `None` once one of them has ended.
async fn next(subscriptions: &mut [Subscription]) -> Option<Received> {
    std::future::poll_fn(|cx| {
        for subscription in &mut *subscriptions {
            if let ready @ std::task::Poll::Ready(_) = subscription.as_mut().poll_next(cx) {
                return ready;
            }
        }
        std::task::Poll::Pending
    })
    .await
}
