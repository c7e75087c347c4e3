//! A runtime with a fault: a proxy in front of a working one that changes its frames.

use nuncio_tokio::arcp::HostPolicy;
use nuncio_tokio::link::{ClientOptions, Link, LinkEvent, LinkOptions, ServerOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Changes a frame of the runtime: what is sent in its place. The list holds frames that were kept back on this connection.
pub(super) type Fault = fn(&mut Vec<Value>, Value) -> Vec<Value>;

pub(super) struct Faulty {
    _runtime: Runtime,
    pub(super) url: String,
}

impl Faulty {
    pub(super) fn start(upstream: &str, fault: Fault) -> Faulty {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("ws://{}/arcp", listener.local_addr().unwrap());
        let upstream = ClientOptions::new(upstream).unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(carry(socket, upstream.clone(), fault));
            }
        });
        Faulty { _runtime: runtime, url }
    }
}

/// One side of a connection.
struct Side {
    link: Link,
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Side {
    fn new(link: Link, socket: TcpStream) -> Side {
        Side { link, socket, buffer: vec![0; 16 * 1024] }
    }

    async fn read(&mut self) {
        match self.socket.read(&mut self.buffer).await {
            Ok(0) | Err(_) => self.link.receive_end(),
            Ok(count) => self.link.receive(&self.buffer[..count]),
        }
    }

    /// Returns the frames that have come, and whether the side has ended.
    fn frames(&mut self) -> (Vec<String>, bool) {
        let mut frames = Vec::new();
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Open(_) => {}
                LinkEvent::Frame(text) => frames.push(text.to_string()),
                LinkEvent::Closed(_) => return (frames, true),
            }
        }
        (frames, false)
    }

    async fn write(&mut self) {
        let mut bytes = Vec::new();
        self.link.take_output(&mut bytes);
        // A side that has gone is noticed when it is read.
        drop(self.socket.write_all(&bytes).await);
    }
}

/// Carries frames between the suite and the runtime until one of them has gone.
async fn carry(suite: TcpStream, upstream: ClientOptions, fault: Fault) {
    let runtime = TcpStream::connect((upstream.host(), upstream.port())).await.unwrap();
    let mut options = ServerOptions::new(HostPolicy::Any);
    options.link = LinkOptions { max_message: 8 << 20 };
    let mut suite = Side::new(Link::server(options.into()), suite);
    let mut runtime = Side::new(Link::client(&upstream), runtime);
    let (mut kept, mut early) = (Vec::new(), Vec::new());
    runtime.write().await;
    loop {
        tokio::select! {
            () = suite.read() => {}
            () = runtime.read() => {}
        }
        let (requests, suite_ended) = suite.frames();
        let (answers, runtime_ended) = runtime.frames();
        early.extend(requests);
        if runtime.link.is_open() {
            for request in early.drain(..) {
                runtime.link.send(request.as_bytes());
            }
        }
        for answer in answers {
            for frame in fault(&mut kept, serde_json::from_str(&answer).unwrap()) {
                suite.link.send(frame.to_string().as_bytes());
            }
        }
        if runtime_ended {
            suite.link.close(1008, "the runtime has closed");
        }
        suite.write().await;
        runtime.write().await;
        if suite_ended || runtime_ended {
            return;
        }
    }
}
