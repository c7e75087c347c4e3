//! The baseline: what any client pays. The `http` crate copies the fields of one call and replaces its span; requests and
//! answers are bytes on connections that block, and nobody looks at more of them than where they end.

use std::env::var;
use std::error::Error;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use nuncio_examples::bench::{answer, per_second};

use crate::nuncio::{APPLICATION, BATCH, numbers, sample};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The fields of a context's call.
const NAMES: [&str; 3] = ["authorization", "baggage", "traceparent"];

/// Measures what each line asks for, as the other clients do.
pub(crate) async fn client() -> Result<()> {
    let sample = sample().await?;
    let (url, token) = (var("CARACAL_COORDINATOR_URL")?, var("CARACAL_SUBJECT_TOKEN")?);
    let address = url.strip_prefix("http://").ok_or("the coordinator has no TLS")?;
    let site = Site { address, token: &token };
    answer(async |line| {
        let [millis, many, at_a_time, single] = numbers(&line)?;
        let time = Duration::from_millis(u64::try_from(millis)?);
        let (made, read) = (rate(time, |call| made(&sample, call))?, rate(time, |_| read(&sample))?);
        let (many, single) = (site.sessions(many, at_a_time)?, site.sessions(single, 1)?);
        Ok(format!("{made} {read} {many} {single}"))
    })
    .await
}

/// Returns how often something happens in a second.
fn rate(time: Duration, mut once: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < time {
        for _ in 0..BATCH {
            once(count)?;
            count += 1;
        }
    }
    Ok(per_second(count, started.elapsed()))
}

/// Copies the fields, and replaces the span, which is the call's number here.
fn made(sample: &HeaderMap, call: usize) -> Result<()> {
    let mut headers = black_box(sample).clone();
    let mut parent = *b"00-0123456789abcdef0123456789abcdef-0000000000000000-01";
    for (place, digit) in parent[36..52].iter_mut().rev().zip(0..) {
        *place = b"0123456789abcdef"[(call >> (4 * digit)) & 15];
    }
    headers.insert(NAMES[2], HeaderValue::from_bytes(&parent)?);
    black_box(headers);
    Ok(())
}

/// Copies the texts of the fields.
fn read(sample: &HeaderMap) -> Result<()> {
    for name in NAMES {
        black_box(black_box(sample).get(name).ok_or("each field is there")?.to_str()?.to_owned());
    }
    Ok(())
}

/// Where sessions are opened.
struct Site<'a> {
    address: &'a str,
    token: &'a str,
}

impl Site<'_> {
    /// Opens sessions and terminates each at once, on as many connections as at a time. Returns how many per second.
    fn sessions(&self, count: usize, at_a_time: usize) -> Result<f64> {
        let (left, started) = (AtomicUsize::new(count), Instant::now());
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..at_a_time).map(|_| scope.spawn(|| self.connection(&left))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)
        })?;
        Ok(per_second(count, started.elapsed()))
    }

    /// Opens and terminates sessions on one connection until none is left.
    fn connection(&self, left: &AtomicUsize) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::new();
        let body = format!("{{\"application_id\":\"{APPLICATION}\",\"kind\":\"instance\"}}");
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let content = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            exchange(&mut stream, &format!("POST /zones/z1/agents{}{content}\r\n{body}", self.head()), &mut answer)?;
            let text = std::str::from_utf8(&answer)?;
            let id = text.split_once("{\"id\":\"").and_then(|(_, rest)| rest.split_once('"'));
            let (id, _) = id.ok_or_else(|| format!("no session is opened: {text}"))?;
            let delete = format!("DELETE /zones/z1/agents/{id}{}\r\n", self.head());
            exchange(&mut stream, &delete, &mut answer)?;
        }
        Ok(())
    }

    fn head(&self) -> String {
        format!(" HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n", self.address, self.token)
    }
}

/// Sends a request and reads its answer, which comes in one piece or says its length.
fn exchange(stream: &mut TcpStream, request: &str, answer: &mut Vec<u8>) -> Result<()> {
    stream.write_all(request.as_bytes())?;
    answer.clear();
    let mut buffer = [0; 2_048];
    while !is_whole(answer) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the coordinator has closed the connection".into());
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    match answer.get(9) {
        Some(b'2') => Ok(()),
        _ => Err(format!("the coordinator refuses: {}", String::from_utf8_lossy(answer)).into()),
    }
}

/// Whether an answer is there with its body.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
