//! TLS handshakes over any stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;
use futures_rustls::{TlsAcceptor, TlsConnector};

use super::{ClientTls, ServerTls, explain::explain};
use crate::auth::PeerCertificate;
use crate::io::Stream;

impl ServerTls {
    /// Accepts a handshake over a stream, and returns the certificate of the client, if it presents one. It has no deadline
    /// of its own.
    pub async fn shake_hands(&self, stream: Stream) -> io::Result<(Stream, Option<PeerCertificate>)> {
        let stream = TlsAcceptor::from(self.current()).accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.map(|certificate| PeerCertificate::verified(&**certificate));
        Ok((Box::pin(stream), certificate))
    }
}

impl ClientTls {
    /// Starts a handshake with `host` over a stream that is connected to it. It has no deadline of its own.
    pub async fn shake_hands(&self, stream: Stream, host: &str) -> io::Result<Stream> {
        let name = self.name_of(host).map_err(io::Error::other)?;
        match TlsConnector::from(self.config.clone()).connect(name, stream).await {
            Ok(stream) => Ok(Box::pin(Explained { stream, host: host.to_owned() })),
            Err(error) => Err(explain(host, error)),
        }
    }
}

/// A TLS stream with explained errors. In TLS 1.3 a server's refusal of the client's certificate arrives after the
/// handshake.
struct Explained {
    stream: TlsStream<Stream>,
    host: String,
}

impl AsyncRead for Explained {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        read.map_err(|error| explain(&self.host, error))
    }
}

impl AsyncWrite for Explained {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
