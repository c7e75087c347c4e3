//! Measures what a second shard brings on this machine: echo jobs of two principals, with one shard and with two.
//!
//! `cargo run --release -p nuncio-examples --bin shards_bench`
//!
//! The server is a process. The agents run on the thread of their shard, so that one shard uses one processor core. The clients
//! send prepared frames and count the results among the bytes that come, because they share the cores with the server. Servers
//! with one shard and with two take turns, and the median of all rounds is printed with the ratio.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Instant;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use nuncio_core::arcp::shard_of;
use nuncio_examples::bench::{Talker, answer, median, per_second};
use nuncio_tokio::arcp::{Failure, JobContext, Level, Server};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The principals, each in a shard of its own if there are two. Their tokens are their names.
const PRINCIPALS: [&str; 2] = ["alice", "bob"];
/// Jobs of each principal at a time.
const IN_FLIGHT: usize = 64;

/// Measures a server with one shard and with two
#[derive(Debug, Parser)]
struct Flags {
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Jobs of each principal in a round
    #[arg(long, default_value_t = 40_000)]
    jobs: usize,
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

async fn echo(input: Value, ctx: JobContext) -> std::result::Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

async fn serve(shards: u32) -> Result<()> {
    let tokens = PRINCIPALS.into_iter().fold(StaticTokens::new(), |tokens, name| tokens.with(name, name));
    let server = Server::builder().verifier(tokens).nonblocking_agent("echo", echo).shards(shards).build()?;
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
            let rate = side.jobs(flags.jobs)?;
            // The first round warms caches.
            if round > 0 {
                side.rates.push(rate);
            }
        }
    }
    let rates: Vec<f64> = sides.iter().map(|side| median(side.rates.iter().copied())).collect();
    for (side, rate) in sides.iter().zip(&rates) {
        println!("shards: {}, echo jobs/s: {rate:.0}", side.shards);
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

    /// Has both principals run jobs at the same time. Returns how many there are in a second.
    fn jobs(&self, each: usize) -> Result<f64> {
        let clients = PRINCIPALS.iter().map(|name| Submitter::connect(&self.address, name));
        let clients: Vec<Submitter> = clients.collect::<Result<_>>()?;
        let started = Instant::now();
        thread::scope(|scope| {
            let running: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || client.run(each))).collect();
            running.into_iter().try_for_each(|client| client.join().map_err(|_| "a client has panicked")?)
        })?;
        Ok(per_second(PRINCIPALS.len() * each, started.elapsed()))
    }
}

/// A client that knows no more of the protocol than it needs.
struct Submitter {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The last bytes that were read, in which a text may begin.
    last: Vec<u8>,
}

impl Submitter {
    fn connect(address: &str, token: &str) -> Result<Submitter> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Submitter { stream, buffer: vec![0; 256 << 10], last: Vec::new() };
        let request = format!(
            "GET /arcp HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        client.stream.write_all(request.as_bytes())?;
        client.read_until("\r\n\r\n", 1)?;
        let hello = json!({
            "client": {"name": "bench", "version": "1"}, "auth": {"scheme": "bearer", "token": token},
            "capabilities": {"encodings": ["json"], "features": []},
        });
        client.stream.write_all(&frame("hello", "session.hello", &hello)?)?;
        client.read_until("\"session.welcome\"", 1)?;
        Ok(client)
    }

    /// Runs jobs, some at a time.
    fn run(mut self, count: usize) -> Result<()> {
        let mut sent = 0;
        while sent < count {
            let batch = IN_FLIGHT.min(count - sent);
            let mut frames = Vec::new();
            for number in sent..sent + batch {
                let submit = json!({"agent": "echo", "input": {"number": number, "text": "what is echoed"}});
                frames.extend(frame(&format!("submit-{number}"), "job.submit", &submit)?);
            }
            self.stream.write_all(&frames)?;
            self.read_until("\"type\":\"job.result\"", batch)?;
            sent += batch;
        }
        Ok(())
    }

    /// Reads until a text has come this many times.
    fn read_until(&mut self, text: &str, times: usize) -> Result<()> {
        let mut left = times;
        while left > 0 {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the server has closed the connection".into());
            }
            self.last.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            // Cut in the middle of a character at worst, which the text is no part of.
            let read = String::from_utf8_lossy(&self.last);
            left = left.saturating_sub(read.matches(text).count());
            let rest = self.last.len().min(text.len() - 1);
            self.last.drain(..self.last.len() - rest);
        }
        Ok(())
    }
}

/// Returns a text that is longer than 125 bytes as a frame, masked with zeros.
fn frame(id: &str, kind: &str, payload: &Value) -> Result<Vec<u8>> {
    let text = json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string();
    let mut bytes = vec![0x81, 0xfe];
    bytes.extend(u16::try_from(text.len())?.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    Ok(bytes)
}
