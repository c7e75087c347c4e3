//! The floor: tungstenite alone. The server sends recorded frames and the client parses them; neither does anything else.

use std::hint::black_box;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use nuncio_examples::bench::answer;
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::{Error as Lost, Message};

use crate::Result;
use crate::nuncio::{IN_FLIGHT, WATCHERS, percentiles, rate};
use crate::raw::{Socket, config, connect, text};
use crate::recorded::Frames;

/// The members of an event frame that a client needs.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a str,
    job_id: Option<&'a str>,
    event_seq: Option<u64>,
    #[serde(borrow)]
    payload: Payload<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    kind: Option<&'a str>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// The frames of a streamed result in a MiB.
const CHUNKS_PER_MIB: u64 = 16;

/// Serves until the parent has ended. `events N` is answered with N events, `chunks N` with N chunks, and a submit with the
/// frames that Nuncio answers. After `batch N` it flushes once per N submits.
pub(crate) async fn serve(file: &Path) -> Result<()> {
    let frames = Arc::new(Frames::read(file)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/arcp", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let frames = Arc::clone(&frames);
            thread::spawn(move || {
                // A client that goes away has finished its round.
                if let Err(error) = stream.map_err(Lost::Io).and_then(|stream| converse(stream, &frames)) {
                    assert!(matches!(error, Lost::ConnectionClosed | Lost::Protocol(_) | Lost::Io(_)), "{error}");
                }
            });
        }
    });
    answer(async |_| Ok(url.clone())).await
}

fn converse(stream: TcpStream, frames: &Frames) -> std::result::Result<(), Lost> {
    stream.set_nodelay(true)?;
    let accepted = tungstenite::accept_with_config(stream, Some(config()));
    let mut socket = accepted.map_err(|error| Lost::Io(io::Error::other(error.to_string())))?;
    let (mut answered, mut batch) = (0_u64, 1);
    loop {
        let asked = text(&mut socket)?;
        let number = |name: &str| asked.strip_prefix(name).and_then(|rest| rest.trim().parse::<usize>().ok());
        let stream = number("events").map(|count| (&frames.events, count, IN_FLIGHT));
        // A chunk is as long as many events, so that few of them fill the socket.
        let stream = stream.or_else(|| number("chunks").map(|count| (&frames.chunks, count, 1)));
        if let Some((frames, count, flush)) = stream {
            for (sent, event) in (1..).zip(frames.iter().cycle().take(count)) {
                socket.write(Message::Text(event.clone()))?;
                if sent % flush == 0 {
                    socket.flush()?;
                }
            }
            socket.flush()?;
        } else if let Some(count) = number("batch") {
            (answered, batch) = (0, count as u64);
        } else {
            black_box(parse(&asked).is_ok());
            for answer in &frames.answers {
                socket.write(Message::Text(answer.clone()))?;
            }
            answered += 1;
            if answered % batch == 0 {
                socket.flush()?;
            }
        }
    }
}

fn parse(frame: &str) -> serde_json::Result<()> {
    let Event { kind, job_id, event_seq, payload } = serde_json::from_str(frame)?;
    black_box((kind, job_id, event_seq, payload.kind, payload.ts, payload.body));
    Ok(())
}

/// A client of the floor.
struct Floor<'a> {
    frames: Frames,
    url: &'a str,
    socket: Socket,
}

/// Measures what each line asks for.
pub(crate) async fn drive(file: &Path, url: &str) -> Result<()> {
    let mut floor = Floor { frames: Frames::read(file)?, url, socket: connect(url)? };
    answer(async |line| floor.measure(&line)).await
}

impl Floor<'_> {
    fn measure(&mut self, line: &str) -> Result<String> {
        let (what, amount) = line.split_once(' ').ok_or("a line has two words")?;
        let amount: u64 = amount.parse()?;
        let started = Instant::now();
        match what {
            "events" => {
                read(&mut self.socket, "events", amount)?;
                Ok(rate(amount, started.elapsed()))
            }
            "stream" => {
                read(&mut self.socket, "chunks", amount * CHUNKS_PER_MIB)?;
                Ok(rate(amount << 20, started.elapsed() * 1_000_000))
            }
            "watch" => self.watch(amount),
            "echo" => {
                let mut took = Vec::new();
                self.socket.send("batch 1".into())?;
                for _ in 0..amount {
                    let started = Instant::now();
                    self.echo(1)?;
                    took.push(started.elapsed());
                }
                Ok(percentiles(took))
            }
            "flight" => {
                self.batches(amount)?;
                Ok(rate(amount, started.elapsed()))
            }
            _ => Err(format!("the floor cannot measure {what}").into()),
        }
    }

    /// Sends submits in batches, and the next batch when all of the last one are answered.
    fn batches(&mut self, count: u64) -> Result<()> {
        let (mut left, mut told) = (count, 0);
        while left > 0 {
            let batch = left.min(IN_FLIGHT);
            if batch != told {
                self.socket.write(format!("batch {batch}").into())?;
                told = batch;
            }
            self.echo(batch)?;
            left -= batch;
        }
        Ok(())
    }

    /// Sends `count` submits in one flush, then reads all their answers.
    fn echo(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.socket.write(Message::Text(self.frames.submit.clone()))?;
        }
        self.socket.flush()?;
        for _ in 0..count {
            for _ in &self.frames.answers {
                parse(&text(&mut self.socket)?)?;
            }
        }
        Ok(())
    }

    /// Reads the same number of events on each of many connections at once.
    fn watch(&self, each: u64) -> Result<String> {
        let sockets: Result<Vec<Socket>> = (0..WATCHERS).map(|_| connect(self.url)).collect();
        let (sockets, started) = (sockets?, Instant::now());
        thread::scope(|scope| {
            let readers: Vec<_> =
                sockets.into_iter().map(|mut socket| scope.spawn(move || read(&mut socket, "events", each))).collect();
            readers.into_iter().try_for_each(|reader| reader.join().map_err(|_| "a reader has panicked")?)
        })?;
        Ok(rate(WATCHERS * each, started.elapsed()))
    }
}

/// Asks for frames and parses them.
fn read(socket: &mut Socket, what: &str, count: u64) -> Result<()> {
    socket.send(format!("{what} {count}").into())?;
    for _ in 0..count {
        parse(&text(socket)?)?;
    }
    Ok(())
}
