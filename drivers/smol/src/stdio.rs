//! Standard input and output.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use nuncio_shared::io::Stream;
use smol::Unblock;
use smol::io::{AsyncRead, AsyncWrite};

use crate::stream;

/// Returns stdin and stdout as one stream.
pub(crate) fn stdio() -> Stream {
    stream(Stdio { input: Unblock::new(io::stdin()), output: Unblock::new(io::stdout()) })
}

struct Stdio<I, O> {
    input: Unblock<I>,
    output: Unblock<O>,
}

impl<I: Read + Send + 'static, O: Unpin> AsyncRead for Stdio<I, O> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}

impl<I: Unpin, O: Write + Send + 'static> AsyncWrite for Stdio<I, O> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use smol::future::poll_once;
    use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// An output that takes nothing while it is held, and says what is done with it.
    struct Slow {
        held: Receiver<()>,
        done: Sender<String>,
    }

    impl Slow {
        fn note(&self, what: String) -> io::Result<()> {
            // Ends with an error as soon as it is not held any more.
            let _ended = self.held.recv();
            self.done.send(what).map_err(io::Error::other)
        }
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.note(String::from_utf8_lossy(bytes).into_owned())?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.note("flush".to_owned())
        }
    }

    /// Returns stdio whose output is held, what holds it, and what is done with it.
    fn held() -> (Stdio<&'static [u8], Slow>, Sender<()>, Receiver<String>) {
        let ((keep, held), (done, is_done)) = (channel(), channel());
        let output = Unblock::new(Slow { held, done });
        (Stdio { input: Unblock::new(&b"question"[..]), output }, keep, is_done)
    }

    #[test]
    fn a_flush_waits_until_everything_is_written() {
        let (mut stdio, keep, is_done) = held();
        smol::block_on(async {
            let mut read = [0; 8];
            stdio.read_exact(&mut read).await.expect("the input is there");
            assert_eq!(&read, b"question");
            stdio.write_all(b"answer").await.expect("it is buffered");
            assert!(poll_once(stdio.flush()).await.is_none(), "nothing is written yet");
            drop(keep);
            stdio.flush().await.expect("it is written");
            let done: Vec<String> = is_done.try_iter().filter(|what| !what.is_empty()).collect();
            assert_eq!(done[..2], ["answer", "flush"]);
        });
    }

    #[test]
    fn a_close_waits_until_everything_is_written() {
        let (mut stdio, keep, is_done) = held();
        smol::block_on(async {
            stdio.write_all(b"end").await.expect("it is buffered");
            assert!(poll_once(stdio.close()).await.is_none(), "nothing is written yet");
            drop(keep);
            stdio.close().await.expect("it is written");
            assert_eq!(is_done.try_iter().next().as_deref(), Some("end"));
        });
    }
}
