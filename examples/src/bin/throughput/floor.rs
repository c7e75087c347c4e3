//! The baseline: tungstenite alone on two threads and a real socket. It parses frames and does nothing else.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error as Lost, Message, Utf8Bytes, WebSocket};

use crate::recorded::Frames;
use crate::{Flags, IN_FLIGHT, Round, middle};

pub(crate) struct Floor {
    address: SocketAddr,
    frames: Frames,
}

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

impl Floor {
    /// Starts a server that answers `events N` with N events and a submit with the frames that Nuncio answers. After
    /// `batch N` it flushes once per N submits.
    pub(crate) fn start(frames: Frames) -> io::Result<Floor> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let serving = frames.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away has finished its round.
                if let Err(error) = stream.map_err(Lost::Io).and_then(|stream| serve(stream, &serving)) {
                    assert!(matches!(error, Lost::ConnectionClosed | Lost::Protocol(_) | Lost::Io(_)), "{error}");
                }
            }
        });
        Ok(Floor { address, frames })
    }

    pub(crate) fn event_bytes(&self) -> usize {
        self.frames.events.last().map_or(0, |frame| frame.len())
    }

    pub(crate) fn round(&self, flags: &Flags) -> Result<Round, Box<dyn Error>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{}/arcp", self.address);
        let (mut socket, _) = tungstenite::client::client_with_config(url, stream, Some(config()))?;
        let started = Instant::now();
        socket.send(format!("events {}", flags.events).into())?;
        for _ in 0..flags.events {
            parse(&text(&mut socket)?)?;
        }
        let events = started.elapsed();

        let mut took = Vec::new();
        for _ in 0..flags.echoes {
            let started = Instant::now();
            self.echo(&mut socket, 1)?;
            took.push(started.elapsed());
        }
        let echoes = self.batches(&mut socket, flags.echoes)?;
        Ok(Round { events, echo: middle(took), echoes })
    }

    fn batches(&self, socket: &mut WebSocket<TcpStream>, count: u64) -> Result<Duration, Box<dyn Error>> {
        let started = Instant::now();
        let (mut left, mut told) = (count, 1);
        while left > 0 {
            let batch = left.min(u64::from(IN_FLIGHT));
            if batch != told {
                socket.write(format!("batch {batch}").into())?;
                told = batch;
            }
            self.echo(socket, batch)?;
            left -= batch;
        }
        Ok(started.elapsed())
    }

    /// Sends `count` submits in one flush, then reads all their answers.
    fn echo(&self, socket: &mut WebSocket<TcpStream>, count: u64) -> Result<(), Box<dyn Error>> {
        for _ in 0..count {
            socket.write(Message::Text(self.frames.submit.clone()))?;
        }
        socket.flush()?;
        for _ in 0..count {
            for _ in &self.frames.answers {
                parse(&text(socket)?)?;
            }
        }
        Ok(())
    }
}

/// Returns the configuration that corresponds to Nuncio's link.
fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 * 1024)
}

fn serve(stream: TcpStream, frames: &Frames) -> Result<(), Lost> {
    stream.set_nodelay(true)?;
    let accepted = tungstenite::accept_with_config(stream, Some(config()));
    let mut socket = accepted.map_err(|error| Lost::Io(io::Error::other(error.to_string())))?;
    let (mut answered, mut batch) = (0_u64, 1);
    loop {
        let asked = text(&mut socket)?;
        if let Some(Ok(count)) = asked.strip_prefix("events ").map(str::parse) {
            for (sent, event) in (1..).zip(frames.events.iter().cycle().take(count)) {
                socket.write(Message::Text(event.clone()))?;
                if sent % u64::from(IN_FLIGHT) == 0 {
                    socket.flush()?;
                }
            }
            socket.flush()?;
        } else if let Some(Ok(count)) = asked.strip_prefix("batch ").map(str::parse) {
            (answered, batch) = (0, count);
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

fn text(socket: &mut WebSocket<TcpStream>) -> Result<Utf8Bytes, Lost> {
    loop {
        if let Message::Text(text) = socket.read()? {
            return Ok(text);
        }
    }
}

fn parse(frame: &str) -> Result<(), serde_json::Error> {
    let Event { kind, job_id, event_seq, payload } = serde_json::from_str(frame)?;
    black_box((kind, job_id, event_seq, payload.kind, payload.ts, payload.body));
    Ok(())
}
