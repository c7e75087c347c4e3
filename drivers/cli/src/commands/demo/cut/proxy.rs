//! A TCP proxy that cuts its first connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::agents::Emitted;
use crate::commands::demo::narration::narrate;

pub(super) struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

struct Plan {
    server: SocketAddr,
    cut_after: usize,
    meanwhile: u64,
    emitted: Emitted,
    cuts: Arc<AtomicU32>,
}

impl Proxy {
    /// Cuts the first connection after `cut_after` bytes towards the client, and accepts the next one when the agents have
    /// emitted `meanwhile` more events.
    pub(super) async fn start(
        server: SocketAddr,
        cut_after: usize,
        meanwhile: u64,
        emitted: Emitted,
    ) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cuts = Arc::new(AtomicU32::new(0));
        let plan = Plan { server, cut_after, meanwhile, emitted, cuts: Arc::clone(&cuts) };
        let task = tokio::spawn(async move {
            if let Err(error) = plan.run(&listener).await {
                narrate("proxy", &format!("gives up: {error}"));
            }
        });
        Ok(Proxy { address, cuts, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    async fn run(&self, listener: &TcpListener) -> io::Result<()> {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(self.server).await?;
        if !carry(client, server, self.cut_after).await? {
            return Ok(());
        }
        let before = self.emitted.count();
        self.cuts.fetch_add(1, Ordering::SeqCst);
        narrate("proxy", &format!("CUTS the connection; the agents have emitted {before} events"));
        self.emitted.reaches(before + self.meanwhile).await;
        narrate(
            "proxy",
            &format!("accepts the next connection; the agents have emitted {} events", self.emitted.count()),
        );
        loop {
            let (mut client, _) = listener.accept().await?;
            let mut server = TcpStream::connect(self.server).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            // Ends when either side closes its connection.
            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
        }
    }
}

/// Carries a connection until either side ends it or `left` bytes went to the client. Returns whether it was cut: what the
/// server has sent beyond `left` is then lost.
async fn carry(client: TcpStream, server: TcpStream, mut left: usize) -> io::Result<bool> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = async {
        let mut buffer = vec![0; 4_096];
        loop {
            let read = from_server.read(&mut buffer).await?;
            let (pass, _lost) = buffer.split_at(read.min(left));
            to_client.write_all(pass).await?;
            left -= pass.len();
            if left == 0 || read == 0 {
                return Ok(left == 0);
            }
        }
    };
    tokio::select! {
        cut = down => cut,
        ended = tokio::io::copy(&mut from_client, &mut to_server) => ended.map(|_| false),
    }
}
