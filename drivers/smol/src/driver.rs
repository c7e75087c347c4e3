use std::io;
use std::sync::Arc;

use nuncio_shared::arcp::BuildError;
use nuncio_shared::driver::Driver;
use nuncio_shared::io::BoxFuture;
use nuncio_shared::io::Spawn;
use smol::Executor;

use crate::arcp::Client;
use crate::arcp::Server;
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

    fn server(server: nuncio_shared::arcp::Server, thread: Arc<IoThread>) -> Server {
        // The server holds it, and smol's sockets belong to no thread.
        drop(thread);
        Server::of(server)
    }

    fn client(client: nuncio_shared::arcp::Client) -> Client {
        Client::of(client)
    }
}
