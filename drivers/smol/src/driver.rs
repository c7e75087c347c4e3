use std::io;
use std::sync::Arc;

use nuncio_shared::driver::{Driver, Spawn};
use nuncio_shared::{BoxFuture, BuildError};
use smol::Executor;

use crate::client::Client;
use crate::server::Server;
use crate::thread::IoThread;

/// The smol driver.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Driver for Smol {
    type Thread = IoThread;
    type Agents = Arc<Executor<'static>>;
    type Server = Server;
    type Client = Client;

    fn thread(name: &str) -> io::Result<Arc<IoThread>> {
        IoThread::start(name)
    }

    fn agents(chosen: Option<Arc<Executor<'static>>>) -> Result<Spawn, BuildError> {
        Ok(match chosen {
            Some(executor) => Arc::new(move |agent: BoxFuture<'static, ()>| executor.spawn(agent).detach()),
            None => Arc::new(|agent: BoxFuture<'static, ()>| smol::spawn(agent).detach()),
        })
    }

    fn server(server: nuncio_shared::Server, thread: Arc<IoThread>) -> Server {
        // The server holds it, and smol's sockets belong to no thread.
        drop(thread);
        Server::of(server)
    }

    fn client(client: nuncio_shared::Client) -> Client {
        Client::of(client)
    }
}
