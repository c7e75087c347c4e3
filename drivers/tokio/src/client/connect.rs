//! Where a client's connections come from.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_link::{ClientOptions, Link, LinkOptions};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
#[cfg(feature = "tls")]
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::auth::BoxFuture;
use crate::thread::IoThread;
#[cfg(feature = "tls")]
use crate::tls::{Authorities, ClientTls, TlsError, explain};

/// A connected stream, and how frames are written on it.
pub struct Transport {
    pub(super) stream: Pin<Box<dyn Duplex>>,
    framing: Framing,
}

enum Framing {
    WebSocket(Box<ClientOptions>),
    Upgraded,
    Lines,
}

impl Transport {
    /// A stream to a WebSocket server, which is asked to upgrade: TCP, TLS, anything.
    pub fn websocket<S>(stream: S, options: ClientOptions) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::WebSocket(Box::new(options)) }
    }

    /// A WebSocket that somebody else has upgraded.
    pub fn upgraded<S>(stream: S) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::Upgraded }
    }

    /// A stream of newline-delimited frames, the form of stdio (§4).
    pub fn lines<S>(stream: S) -> Transport
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        Transport { stream: Box::pin(stream), framing: Framing::Lines }
    }

    pub(super) fn link(&mut self, max_message: usize) -> Link {
        let options = LinkOptions { max_message };
        match &mut self.framing {
            Framing::WebSocket(client) => {
                client.link = options;
                Link::client(client)
            }
            Framing::Upgraded => Link::client_upgraded(options),
            Framing::Lines => Link::lines(options),
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// Any stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Duplex for S {}

/// Makes connections, on the client's own thread.
pub(super) trait Connector: Send + 'static {
    fn connect(&mut self, io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Transport>>;

    /// How TLS is spoken, for those that do.
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, _tls: ClientTls) {}
}

/// TCP, TLS where the URL says so, and WebSocket.
pub(super) struct Url {
    pub(super) options: ClientOptions,
    /// None: with the authorities of the system, once they are needed.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTls>,
}

impl Url {
    pub(super) fn new(options: ClientOptions) -> Url {
        Url {
            options,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    fn tls(&mut self) -> Result<ClientTls, TlsError> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let tls = ClientTls::new(Authorities::system()?)?;
        Ok(self.tls.insert(tls).clone())
    }
}

impl Connector for Url {
    #[cfg(feature = "tls")]
    fn set_tls(&mut self, tls: ClientTls) {
        self.tls = Some(tls);
    }

    #[cfg(feature = "tls")]
    fn connect(&mut self, _io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        let tls = options.tls().then(|| self.tls());
        Box::pin(async move {
            let Some(tls) = tls else { return plain(options).await };
            let tls = tls.map_err(io::Error::other)?;
            let name = tls.name_of(options.host()).map_err(io::Error::other)?;
            let stream = dial(&options).await?;
            let host = options.host().to_owned();
            match TlsConnector::from(tls.config).connect(name, stream).await {
                Ok(stream) => Ok(Transport::websocket(Explained { stream, host }, options)),
                Err(error) => Err(explain(&host, error)),
            }
        })
    }

    #[cfg(not(feature = "tls"))]
    fn connect(&mut self, _io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Transport>> {
        let options = self.options.clone();
        Box::pin(async move {
            if options.tls() {
                let error = "this program was built without the feature `tls` of nuncio-tokio, so wss:// needs a \
                             connector of its own: see Client::over";
                return Err(io::Error::new(io::ErrorKind::Unsupported, error));
            }
            plain(options).await
        })
    }
}

async fn plain(options: ClientOptions) -> io::Result<Transport> {
    let stream = dial(&options).await?;
    Ok(Transport::websocket(stream, options))
}

async fn dial(options: &ClientOptions) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((options.host(), options.port())).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A TLS stream: what its server thinks of the client's certificate is only read after the handshake (TLS 1.3).
#[cfg(feature = "tls")]
struct Explained {
    stream: TlsStream<TcpStream>,
    host: String,
}

#[cfg(feature = "tls")]
impl AsyncRead for Explained {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        read.map_err(|error| explain(&self.host, error))
    }
}

#[cfg(feature = "tls")]
impl AsyncWrite for Explained {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A function of the application.
pub(super) struct Function<F>(pub(super) F);

impl<F, R> Connector for Function<F>
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = io::Result<Transport>> + Send + 'static,
{
    fn connect(&mut self, _io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Transport>> {
        Box::pin((self.0)())
    }
}

/// A child process, once: its session ends with it.
pub(super) struct Process(pub(super) Option<Command>);

impl Connector for Process {
    fn connect(&mut self, io: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Transport>> {
        let spawned =
            self.0.take().ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the child process has ended"));
        let spawned = spawned.and_then(|command| Process::spawn(command, io));
        Box::pin(std::future::ready(spawned))
    }
}

impl Process {
    fn spawn(mut command: Command, io: &Arc<IoThread>) -> io::Result<Transport> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                let reaper = Reaper { child: Some(child), io: Arc::clone(io) };
                Ok(Transport::lines(Pipes { stdin: Some(stdin), stdout, _reaper: reaper }))
            }
            (None, _) | (_, None) => Err(io::Error::other("the child process has no pipes")),
        }
    }
}

/// The pipes of a child process.
struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _reaper: Reaper,
}

impl AsyncRead for Pipes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// A pipe is shut down by being closed: the child sees the end of its input.
    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

/// Gives a child whose input has ended some time to end by itself.
struct Reaper {
    child: Option<Child>,
    io: Arc<IoThread>,
}

impl Drop for Reaper {
    fn drop(&mut self) {
        const GRACE: Duration = Duration::from_secs(5);
        let Some(mut child) = self.child.take() else { return };
        let io = Arc::clone(&self.io);
        self.io.spawn(async move {
            if !matches!(tokio::time::timeout(GRACE, child.wait()).await, Ok(Ok(_))) {
                // It may be gone by itself by now.
                drop(child.kill().await);
            }
            drop(io);
        });
    }
}
