//! A WebSocket conversation of a client that follows no rules: it sends whatever it likes, and reads only if it likes.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

/// Long enough for any answer of a server that works.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often each answer came.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

impl Tally {
    /// Counts an answer.
    pub fn add(&self, what: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Notes a frame by its type, and a refusal by its limit or code.
    fn note(&self, frame: &str) {
        let Some(kind) = kind(frame) else { return };
        if kind == "session.error" || kind == "job.error" {
            let frame: Value = serde_json::from_str(frame).unwrap_or_default();
            let payload = &frame["payload"];
            let why = payload["details"]["limit"].as_str().or(payload["code"].as_str()).unwrap_or_default();
            self.add(&format!("{kind} {why}"));
        } else {
            self.add(kind);
        }
    }

    /// Returns how often an answer came.
    pub fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(what).copied().unwrap_or(0)
    }

    /// Returns all counts.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn kind(frame: &str) -> Option<&str> {
    frame.split_once(r#""type":""#)?.1.split('"').next()
}

/// A connection, and how many requests were sent on it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// What is read, unless another thread reads it.
    input: Option<BufReader<TcpStream>>,
    requests: u32,
}

impl Wire {
    /// Connects and upgrades.
    ///
    /// # Errors
    /// The server is not there, or refuses the upgrade.
    pub fn open(url: &str) -> io::Result<Wire> {
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap_or(url);
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // The server sends nothing before it is sent something, so nothing is read ahead.
        let (socket, _) = tungstenite::client(url, stream.try_clone()?).map_err(io::Error::other)?;
        drop(socket);
        Ok(Wire { input: Some(BufReader::new(stream.try_clone()?)), stream, requests: 0 })
    }

    /// Opens a session.
    ///
    /// # Errors
    /// As of [`Wire::greet`].
    pub fn login(url: &str, token: &str) -> io::Result<Wire> {
        let features = ["list_jobs", "subscribe", "result_chunk", "progress"];
        Wire::greet(url, token, &features, &Value::Null).map(|(wire, _)| wire)
    }

    /// Opens a session, or resumes one unless `resume` is null. Returns the welcome, too.
    ///
    /// # Errors
    /// The connection ends; another answer than a welcome, which is the error's text.
    pub fn greet(url: &str, token: &str, features: &[&str], resume: &Value) -> io::Result<(Wire, Value)> {
        let mut wire = Wire::open(url)?;
        wire.send_text(&crate::raw::hello(token, features, resume).to_string())?;
        let frame = wire.read()?;
        if kind(&frame) != Some("session.welcome") {
            return Err(io::Error::other(frame));
        }
        Ok((wire, serde_json::from_str(&frame)?))
    }

    /// Sends a request, and returns its id.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn request(&mut self, kind: &str, payload: &Value) -> io::Result<String> {
        self.requests += 1;
        let id = self.requests.to_string();
        self.send_text(&json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string())?;
        Ok(id)
    }

    /// Sends a text frame.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send_part(text.as_bytes(), text.len())
    }

    /// Sends the beginning of a text frame of `len` bytes.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn send_part(&mut self, part: &[u8], len: usize) -> io::Result<()> {
        let mut bytes = vec![0x81];
        match len {
            0..126 => bytes.push(0x80 | u8::try_from(len).unwrap_or(0)),
            126..0x1_0000 => {
                bytes.push(0xfe);
                bytes.extend(u16::try_from(len).unwrap_or(0).to_be_bytes());
            }
            _ => {
                bytes.push(0xff);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        // The mask of zeros leaves the payload as it is.
        bytes.extend([0; 4]);
        bytes.extend(part);
        self.stream.write_all(&bytes)
    }

    /// Reads the next text frame; pings are ignored.
    ///
    /// # Errors
    /// The end of the connection, with its close code.
    ///
    /// # Panics
    /// If another thread reads.
    pub fn read(&mut self) -> io::Result<String> {
        read(self.input.as_mut().expect("no other thread reads"))
    }

    /// Reads the answer to a request; other frames are skipped.
    ///
    /// # Errors
    /// As of [`Wire::read`].
    pub fn answer(&mut self, request: &str) -> io::Result<Value> {
        let named = format!(r#""request_id":"{request}""#);
        loop {
            let frame = self.read()?;
            if frame.contains(&named) {
                return serde_json::from_str(&frame).map_err(io::Error::other);
            }
        }
    }

    /// Reads the terminal of a job; other frames are skipped.
    ///
    /// # Errors
    /// As of [`Wire::read`].
    pub fn terminal(&mut self, job: &str) -> io::Result<Value> {
        loop {
            let frame = self.read()?;
            if matches!(kind(&frame), Some("job.result" | "job.error")) && frame.contains(job) {
                return serde_json::from_str(&frame).map_err(io::Error::other);
            }
        }
    }

    /// Reads everything that comes from now on, on a thread of its own, and only counts it.
    ///
    /// # Errors
    /// The system gives no thread.
    ///
    /// # Panics
    /// If another thread reads.
    pub fn discard(&mut self, tally: &Tally) -> io::Result<JoinHandle<()>> {
        self.stream.set_read_timeout(None)?;
        let (mut input, tally) = (self.input.take().expect("no other thread reads"), tally.clone());
        thread::Builder::new().stack_size(256 << 10).spawn(move || {
            loop {
                match read(&mut input) {
                    Ok(frame) => tally.note(&frame),
                    Err(error) if error.to_string().starts_with("closed") => return tally.add(&error.to_string()),
                    Err(_) => return tally.add("lost"),
                }
            }
        })
    }

    /// Breaks the connection without a close frame.
    pub fn cut(&self) {
        // It may have ended already.
        drop(self.stream.shutdown(Shutdown::Both));
    }
}

fn read(input: &mut BufReader<TcpStream>) -> io::Result<String> {
    loop {
        let mut head = [0; 2];
        input.read_exact(&mut head)?;
        let mut len = u64::from(head[1] & 0x7f);
        if len == 126 {
            let mut long = [0; 2];
            input.read_exact(&mut long)?;
            len = u16::from_be_bytes(long).into();
        } else if len == 127 {
            let mut long = [0; 8];
            input.read_exact(&mut long)?;
            len = u64::from_be_bytes(long);
        }
        let mut payload = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        input.read_exact(&mut payload)?;
        match head[0] & 0x0f {
            1 => return String::from_utf8(payload).map_err(io::Error::other),
            8 => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                return Err(io::Error::other(format!("closed with {code}")));
            }
            _ => {}
        }
    }
}
