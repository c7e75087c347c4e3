use std::io;
use std::sync::Arc;

use nuncio_shared::arcp::BuildError;
use nuncio_shared::driver::Driver;
use nuncio_shared::io::BoxFuture;
use nuncio_shared::io::Spawn;
use tokio::runtime::Handle;

use crate::arcp::Client;
use crate::arcp::Server;
use crate::thread::IoThread;

/// The tokio driver.
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

impl Driver for Tokio {
    type Thread = IoThread;
    type Agents = Handle;
    type Server = Server;
    type Client = Client;

    fn thread(name: &str) -> io::Result<Arc<IoThread>> {
        IoThread::start(name)
    }

    fn agents(chosen: Option<Handle>) -> Result<Spawn, BuildError> {
        let handle = match chosen {
            Some(handle) => handle,
            None => Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
        };
        Ok(Arc::new(move |agent: BoxFuture<'static, ()>| {
            handle.spawn(agent);
        }))
    }

    fn server(server: nuncio_shared::arcp::Server, thread: Arc<IoThread>) -> Server {
        Server::of(server, thread)
    }

    fn client(client: nuncio_shared::arcp::Client) -> Client {
        Client::of(client)
    }
}
