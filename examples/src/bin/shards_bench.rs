//! Measures what a second shard brings on this machine: events of two principals, with one shard and with two.
//!
//! `cargo run --release -p nuncio-examples --bin shards_bench`
//!
//! The server is a process. The agents run on the thread of their shard, so that one shard uses one processor core. The clients
//! read bytes and do nothing with them, because they share the cores with the server. Servers with one shard and with two take
//! turns, and the median of all rounds is printed with the ratio.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Instant;

use clap::{Parser, Subcommand};
use nuncio_core::arcp::shard_of;
use nuncio_examples::bench::{Talker, answer, median, per_second};
use nuncio_tokio::arcp::{Failure, JobContext, Level, Server};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The principals, each in a shard of its own if there are two. Their tokens are their names.
const PRINCIPALS: [&str; 2] = ["alice", "bob"];
/// The message of each event, which makes frames of about 300 bytes.
const LINE: &str = "a line of a log as agents write them, long enough to be typical of what they have to say";

/// Measures a server with one shard and with two
#[derive(Debug, Parser)]
struct Flags {
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Events of each principal in a round
    #[arg(long, default_value_t = 300_000)]
    events: usize,
    #[command(subcommand)]
    process: Option<Process>,
}

/// The processes that the program starts of itself
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Process {
    /// Serves the agent that is measured
    Serve { shards: u32 },
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse();
    match flags.process {
        Some(Process::Serve { shards }) => serve(shards).await,
        None => measure(&flags),
    }
}

async fn flood(events: u64, ctx: JobContext) -> std::result::Result<(), Failure> {
    for _ in 0..events {
        ctx.log(Level::Debug, LINE).await?;
    }
    Ok(())
}

async fn serve(shards: u32) -> Result<()> {
    let tokens = PRINCIPALS.into_iter().fold(StaticTokens::new(), |tokens, name| tokens.with(name, name));
    let server = Server::builder().verifier(tokens).nonblocking_agent("flood", flood).shards(shards).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    answer(async |_| Ok(listening.address().to_string())).await
}

fn measure(flags: &Flags) -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build, whose numbers are not representative; use --release");
    }
    assert_ne!(shard_of(PRINCIPALS[0], 2), shard_of(PRINCIPALS[1], 2), "each has a shard of its own");
    let mut sides = [1, 2].map(Side::start).into_iter().collect::<Result<Vec<_>>>()?;
    for round in 0..=flags.rounds.max(1) {
        for side in &mut sides {
            let rate = side.events(flags.events)?;
            // The first round warms caches.
            if round > 0 {
                side.rates.push(rate);
            }
        }
    }
    let rates: Vec<f64> = sides.iter().map(|side| median(side.rates.iter().copied())).collect();
    for (side, rate) in sides.iter().zip(&rates) {
        println!("{} shards: {rate:.0} events/s", side.shards);
    }
    if let [one, two] = rates[..] {
        println!("ratio: {:.2}", two / one);
    }
    Ok(())
}

/// A server, and what was measured with it.
struct Side {
    shards: u32,
    _server: Talker,
    address: String,
    rates: Vec<f64>,
}

impl Side {
    fn start(shards: u32) -> Result<Side> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", &shards.to_string()]);
        let mut server = Talker::start(command)?;
        let address = server.ask("address")?;
        Ok(Side { shards, _server: server, address, rates: Vec::new() })
    }

    /// Has both principals read events at the same time. Returns how many there are in a second.
    fn events(&self, each: usize) -> Result<f64> {
        let clients = PRINCIPALS.iter().map(|name| Reader::connect(&self.address, name));
        let clients: Vec<Reader> = clients.collect::<Result<_>>()?;
        let started = Instant::now();
        thread::scope(|scope| {
            let reading: Vec<_> =
                clients.into_iter().map(|client| scope.spawn(move || client.read_events(each))).collect();
            reading.into_iter().try_for_each(|reader| reader.join().map_err(|_| "a reader has panicked")?)
        })?;
        Ok(per_second(PRINCIPALS.len() * each, started.elapsed()))
    }
}

/// A client that reads bytes.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    fn connect(address: &str, token: &str) -> Result<Reader> {
        let mut reader = Reader { stream: TcpStream::connect(address)?, buffer: vec![0; 256 << 10] };
        reader.stream.set_nodelay(true)?;
        let request = format!(
            "GET /arcp HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        reader.stream.write_all(request.as_bytes())?;
        reader.read_until("\r\n\r\n")?;
        reader.send(
            "session.hello",
            &json!({
                "client": {"name": "bench", "version": "1"}, "auth": {"scheme": "bearer", "token": token},
                "capabilities": {"encodings": ["json"], "features": []},
            }),
        )?;
        reader.read_until("session.welcome")?;
        Ok(reader)
    }

    /// Sends a text that is longer than 125 bytes as a frame, masked with zeros.
    fn send(&mut self, kind: &str, payload: &Value) -> Result<()> {
        let frame = json!({"arcp": "1.1", "id": kind, "type": kind, "payload": payload}).to_string();
        let mut bytes = vec![0x81, 0xfe];
        bytes.extend(u16::try_from(frame.len())?.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(frame.as_bytes());
        Ok(self.stream.write_all(&bytes)?)
    }

    fn read_events(mut self, count: usize) -> Result<()> {
        self.send("job.submit", &json!({"agent": "flood", "input": count}))?;
        self.read_until("\"job.result\"")
    }

    /// Reads until the last bytes contain a text.
    fn read_until(&mut self, text: &str) -> Result<()> {
        /// No frame that is waited for is longer.
        const LAST: usize = 2 << 10;
        let mut last = Vec::new();
        loop {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the server has closed the connection".into());
            }
            let read = self.buffer.get(..count).unwrap_or_default();
            last.extend_from_slice(read.get(count.saturating_sub(LAST)..).unwrap_or(read));
            last.drain(..last.len().saturating_sub(LAST));
            if last.windows(text.len()).any(|part| part == text.as_bytes()) {
                return Ok(());
            }
        }
    }
}
