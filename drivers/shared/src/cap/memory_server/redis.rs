//! One client of the store.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::AsyncReadExt as _;
use nuncio_link::resp::{RespCommand, RespReply, RespServerConfig, RespServerLink};
use tracing::debug;

use super::site::Site;
use crate::cap::{BlobError, BlobStore as _, MemoryStore};
use crate::io::clock::timeout;
use crate::io::conn::write;
use crate::io::{Sanitized, Stream};

/// How many bytes of replies are queued until they are written before the next command.
const MAX_OUTPUT: usize = 1 << 20;
const READ_BYTES: usize = 64 * 1024;

/// Serves a connection to its end, or tells its client that there are too many.
pub(super) async fn serve(site: Arc<Site>, stream: Stream, is_refused: bool) {
    if let Err(error) = converse(&site, stream, is_refused).await {
        debug!(error = %Sanitized(&error), "a client of the store is lost");
    }
}

async fn converse(site: &Site, stream: Stream, is_refused: bool) -> io::Result<()> {
    let Site { store, io, limits, .. } = site;
    let (mut input, mut output) = futures_lite::io::split(stream);
    let mut link = RespServerLink::new(RespServerConfig::default());
    let (mut buffer, mut bytes) = (vec![0; READ_BYTES], Vec::new());
    let send = async |output: &mut _, bytes: &[u8]| {
        timeout(&**io, limits.write_within, write(output, bytes)).await.unwrap_or_else(|| Err(late("reads nothing")))
    };
    if is_refused {
        link.reply(&RespReply::Error("ERR max number of clients reached".to_owned()));
        link.take_output(&mut bytes);
        return send(&mut output, &bytes).await;
    }
    let mut is_idle = true;
    loop {
        let is_over = loop {
            match link.poll_command() {
                Ok(None) => break false,
                Ok(Some(RespCommand::Quit)) => {
                    link.reply(&RespReply::Simple("OK".to_owned()));
                    break true;
                }
                Ok(Some(RespCommand::Hello(version))) => link.greet(version, &properties()),
                Ok(Some(command)) => {
                    let reply = execute(store, command).await;
                    link.reply(&reply.unwrap_or_else(|error| RespReply::Error(format!("ERR {error}"))));
                }
                // The client was told.
                Err(_) => break true,
            }
            if link.output_len() > MAX_OUTPUT {
                link.take_output(&mut bytes);
                send(&mut output, &bytes).await?;
                bytes.clear();
            }
        };
        link.take_output(&mut bytes);
        send(&mut output, &bytes).await?;
        bytes.clear();
        bytes.shrink_to(READ_BYTES);
        if is_over {
            return Ok(());
        }
        // A client may pause between commands, but not before the first.
        let read = input.read(&mut buffer);
        let read = if is_idle {
            timeout(&**io, limits.connect_within, read).await.unwrap_or_else(|| Err(late("sends nothing")))
        } else {
            read.await
        };
        is_idle = false;
        match read? {
            0 => return Ok(()),
            count => link.receive(&buffer[..count]),
        }
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client {what}"))
}

/// What a client is told about the server. The id of its connection means nothing here.
fn properties() -> [(&'static str, RespReply); 5] {
    let text = |text: &'static str| RespReply::Bulk(Bytes::from_static(text.as_bytes()));
    [
        ("server", text("nuncio")),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("id", RespReply::Integer(0)),
        ("mode", text("standalone")),
        ("role", text("master")),
    ]
}

async fn execute(store: &MemoryStore, command: RespCommand) -> Result<RespReply, BlobError> {
    let ok = || RespReply::Simple("OK".to_owned());
    let number = |number: usize| RespReply::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(match command {
        RespCommand::Ping(None) => RespReply::Simple("PONG".to_owned()),
        RespCommand::Ping(Some(text)) => RespReply::Bulk(text),
        RespCommand::Client | RespCommand::Select(0) => ok(),
        RespCommand::Select(_) => RespReply::Error("ERR there is only the database 0".to_owned()),
        RespCommand::Get(key) => store.get(&key, usize::MAX).await?.map_or(RespReply::Null, RespReply::Bulk),
        RespCommand::Range { key, from, to } => {
            let blob = store.get(&key, usize::MAX).await?.unwrap_or_default();
            RespReply::Bulk(range(&blob, from, to))
        }
        RespCommand::Length(key) => number(store.get(&key, usize::MAX).await?.map_or(0, |blob| blob.len())),
        RespCommand::Exists(keys) => number(count(store, &keys).await?),
        RespCommand::Set { key, value, ttl } => {
            store.set(&key, value, ttl).await?;
            ok()
        }
        RespCommand::Delete(keys) => {
            let mut removed = 0;
            for key in &keys {
                removed += count(store, std::slice::from_ref(key)).await?;
                store.delete(key).await?;
            }
            number(removed)
        }
        RespCommand::Unknown(text) => RespReply::Error(text),
        command => RespReply::Error(format!("ERR {command:?} is not supported")),
    })
}

/// Returns the bytes from one to another, both included. Negative numbers count from the end, and those that are not there
/// are left out.
fn range(blob: &Bytes, from: i64, to: i64) -> Bytes {
    let length = i64::try_from(blob.len()).unwrap_or(i64::MAX);
    let place = |number: i64| if number < 0 { number.saturating_add(length) } else { number };
    let from = place(from).clamp(0, length);
    let end = place(to).saturating_add(1).clamp(from, length);
    let index = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    blob.slice(index(from)..index(end))
}

/// Returns how many of these keys there are.
async fn count(store: &MemoryStore, keys: &[String]) -> Result<usize, BlobError> {
    let mut there = 0;
    for key in keys {
        there += usize::from(store.get(key, usize::MAX).await?.is_some());
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use futures_lite::{AsyncRead, AsyncWrite};
    use nuncio_link::resp::RespRequest;

    use super::*;
    use crate::cap::{MemoryBus, MemoryServerLimits};
    use crate::io::by_hand::ByHand;
    use crate::io::clock::Clock;
    use crate::io::sync::{CancellationToken, lock};

    /// A client that sends all of its commands at once, then ends, and keeps each write of the server.
    struct Client {
        commands: Vec<u8>,
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl AsyncRead for Client {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            let count = buffer.len().min(self.commands.len());
            let (read, left) = self.commands.split_at(count);
            buffer[..count].copy_from_slice(read);
            self.commands = left.to_vec();
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Client {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            lock(&self.writes).push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Returns what the server writes to a client with these commands, write by write. The blob `key` has this many bytes.
    fn writes(commands: &[RespRequest<'_>], blob: usize) -> Vec<Vec<u8>> {
        let site = Site {
            bus: MemoryBus::new(),
            store: MemoryStore::new(),
            io: Arc::new(ByHand::default()),
            clock: Clock::start(),
            limits: MemoryServerLimits::default(),
            closing: CancellationToken::new(),
        };
        let mut bytes = Vec::new();
        for command in commands {
            command.encode(&mut bytes);
        }
        let writes = Arc::new(Mutex::new(Vec::new()));
        let stream = Client { commands: bytes, writes: Arc::clone(&writes) };
        let mut cx = Context::from_waker(Waker::noop());
        let set = site.store.set("key", vec![b'x'; blob].into(), None);
        assert!(matches!(std::pin::pin!(set).poll(&mut cx), Poll::Ready(Ok(()))));
        let served = std::pin::pin!(serve(Arc::new(site), Box::pin(stream), false)).poll(&mut cx);
        assert!(served.is_ready(), "the server waits for nothing");
        std::mem::take(&mut *lock(&writes))
    }

    #[test]
    fn replies_to_commands_that_come_together_are_written_together() {
        let pings = [RespRequest::Ping; 100];
        assert_eq!(writes(&pings, 0), [b"+PONG\r\n".repeat(100)]);
    }

    /// A client that asks for much and reads nothing would otherwise fill the memory.
    #[test]
    fn replies_are_written_before_they_are_many_bytes() {
        const BLOB: usize = 300 << 10;
        let written = writes(&[RespRequest::Get("key"); 40], BLOB);
        let reply = BLOB + format!("${BLOB}\r\n\r\n").len();
        assert_eq!(written.iter().map(Vec::len).sum::<usize>(), 40 * reply);
        for write in &written {
            assert!(write.len() <= MAX_OUTPUT + reply, "{} bytes were queued", write.len());
        }
        // As many as allowed are queued together.
        let whole = MAX_OUTPUT - format!("${MAX_OUTPUT}\r\n\r\n").len();
        let written = writes(&[RespRequest::Get("key"), RespRequest::Ping], whole);
        assert_eq!(written.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_OUTPUT + b"+PONG\r\n".len()]);
    }

    #[test]
    fn a_range_is_from_byte_to_byte_and_never_beyond_the_blob() {
        let blob = Bytes::from_static(b"blob");
        for (from, to, expected) in [
            (0, -1, "blob"),
            (0, 0, "b"),
            (1, 2, "lo"),
            (-2, -1, "ob"),
            (-9, 9, "blob"),
            (2, 1, ""),
            (4, 9, ""),
            (0, -5, ""),
            (i64::MIN, i64::MAX, "blob"),
        ] {
            assert_eq!(range(&blob, from, to), expected, "{from} {to}");
        }
        assert_eq!(range(&Bytes::new(), 0, -1), "");
    }
}
