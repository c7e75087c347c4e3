//! What tokio provides to servers and clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use nuncio_shared::io::{Address, BoxFuture, Driver, Process, Spawn, Stream};
use tokio::process::Command;
use tokio::runtime::Handle;

use crate::socket::{self, Listener};
use crate::thread::IoThread;
use crate::{process, stdio};

/// The tokio driver, the `D` of [`nuncio_shared`].
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

impl Driver for Tokio {
    type Thread = IoThread;
    type Agents = Handle;
    type Listener = Listener;
    type Command = Command;

    fn thread(name: &str) -> io::Result<Arc<IoThread>> {
        IoThread::start(name)
    }

    fn agents(chosen: Option<Handle>) -> Option<Spawn> {
        let handle = chosen.or_else(|| Handle::try_current().ok())?;
        Some(Arc::new(move |agent: BoxFuture<'static, ()>| {
            handle.spawn(agent);
        }))
    }

    fn resolve(host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(socket::resolve(host, port))
    }

    fn dial(address: SocketAddr) -> BoxFuture<'static, io::Result<Stream>> {
        Box::pin(socket::dial(address))
    }

    fn bind(address: Address, thread: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Listener>> {
        Box::pin(socket::bind(address, Arc::clone(thread)))
    }

    fn listener(socket: TcpListener, thread: &Arc<IoThread>) -> io::Result<Listener> {
        Listener::new(socket, thread)
    }

    fn stdio() -> Stream {
        stdio::stdio()
    }

    fn spawn(command: Command) -> io::Result<Process> {
        process::spawn(command)
    }
}
