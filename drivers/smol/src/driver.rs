//! What smol provides to servers and clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use nuncio_shared::io::{Address, BoxFuture, Driver, Process, Spawn, Stream};
use smol::Executor;
use smol::process::Command;

use crate::socket::{self, Listener};
use crate::thread::IoThread;
use crate::{process, stdio};

/// The smol driver, the `D` of [`nuncio_shared`].
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Driver for Smol {
    type Thread = IoThread;
    type Agents = Arc<Executor<'static>>;
    type Listener = Listener;
    type Command = Command;

    fn thread(name: &str) -> io::Result<Arc<IoThread>> {
        IoThread::start(name)
    }

    fn agents(chosen: Option<Arc<Executor<'static>>>) -> Option<Spawn> {
        Some(match chosen {
            Some(executor) => Arc::new(move |agent: BoxFuture<'static, ()>| executor.spawn(agent).detach()),
            None => Arc::new(|agent: BoxFuture<'static, ()>| smol::spawn(agent).detach()),
        })
    }

    fn resolve(host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(socket::resolve(host, port))
    }

    fn dial(address: SocketAddr) -> BoxFuture<'static, io::Result<Stream>> {
        Box::pin(socket::dial(address))
    }

    fn bind(address: Address, _thread: &Arc<IoThread>) -> BoxFuture<'static, io::Result<Listener>> {
        Box::pin(socket::bind(address))
    }

    fn listener(socket: TcpListener, _thread: &Arc<IoThread>) -> io::Result<Listener> {
        Listener::new(socket)
    }

    fn stdio() -> Stream {
        stdio::stdio()
    }

    fn spawn(command: Command) -> io::Result<Process> {
        process::spawn(command)
    }
}
