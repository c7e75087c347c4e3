//! The connections of the port of metrics: few, and none for long.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nuncio_tokio::IdleLimit;
use nuncio_tokio::io::{Places, for_small_port, monotonic};
use tokio::net::{TcpListener, TcpStream};

/// The time in which a byte has to move on a connection.
const IDLE: Duration = Duration::from_secs(10);
/// The time that a connection has in all. A scraper that comes again later opens another one.
const LIFETIME: Duration = Duration::from_mins(1);
/// The pause after the system has refused a connection, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The period in which one warning about refused connections is logged.
const WARNING_PERIOD: Duration = Duration::from_secs(1);

/// A listening socket whose connections are limited.
pub(super) struct MetricsPort {
    listener: TcpListener,
    places: Places,
    lifetime: Duration,
    warned: Option<Instant>,
}

impl MetricsPort {
    pub(super) fn new(listener: TcpListener) -> MetricsPort {
        MetricsPort { listener, places: Places::new(for_small_port()), lifetime: LIFETIME, warned: None }
    }

    fn warn(&mut self, error: &io::Error) {
        let now = monotonic();
        if self.warned.is_none_or(|warned| now.duration_since(warned) >= WARNING_PERIOD) {
            self.warned = Some(now);
            tracing::warn!(%error, "a connection to the port of metrics could not be accepted");
        }
    }
}

impl axum::serve::Listener for MetricsPort {
    type Io = IdleLimit<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (IdleLimit<TcpStream>, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let (place, late) = (self.places.admit(), tokio::time::sleep(self.lifetime));
                    let ended = async move {
                        tokio::select! {
                            () = place.ended() => {}
                            () = late => {}
                        }
                    };
                    return (IdleLimit::new(stream, IDLE, ended), peer);
                }
                Err(error) => {
                    self.warn(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::collections::VecDeque;

    use axum::serve::Listener as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn another_connection_displaces_the_oldest() {
        let mut port = MetricsPort::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = port.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut streams = VecDeque::new();
        for _ in 0..port.places.max() {
            clients.push(TcpStream::connect(address).await.unwrap());
            streams.push_back(port.accept().await.0);
        }
        // One that has ended makes room.
        streams.pop_back();
        clients.push(TcpStream::connect(address).await.unwrap());
        streams.push_back(port.accept().await.0);
        assert!(streams.iter_mut().all(port_is_open));
        clients.push(TcpStream::connect(address).await.unwrap());
        streams.push_back(port.accept().await.0);
        let mut oldest = streams.pop_front().unwrap();
        assert_eq!(oldest.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(streams.iter_mut().all(port_is_open));
    }

    #[tokio::test]
    async fn a_connection_ends_however_slowly_it_asks() {
        let mut port = MetricsPort::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        port.lifetime = Duration::ZERO;
        let mut client = TcpStream::connect(port.local_addr().unwrap()).await.unwrap();
        client.write_all(b"GET /metr").await.unwrap();
        let mut stream = port.accept().await.0;
        let mut read = Vec::new();
        assert_eq!(stream.read_to_end(&mut read).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// Whether a read waits for the peer.
    fn port_is_open(stream: &mut IdleLimit<TcpStream>) -> bool {
        let mut read = std::pin::pin!(stream.read_u8());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        read.as_mut().poll(&mut context).is_pending()
    }
}
