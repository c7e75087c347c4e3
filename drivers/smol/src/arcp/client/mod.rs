//! The client's side of sockets.

mod connect;

use std::io;
use std::ops::Deref;

use nuncio_link::InvalidUrl;
use nuncio_shared::arcp::{Function, Url};
use smol::process::Command;

pub use connect::Transport;

use crate::arcp::ClientBuilder;
use connect::{Process, dial};

/// A session with a runtime.
///
/// When its connection is lost it connects again and resumes: nobody who uses it notices but for a pause. It gives up
/// when the runtime no longer has the session, and then says so everywhere. Requests made meanwhile wait.
///
/// When the last clone and the last handle are dropped the session is closed, in the background;
/// [`close`](nuncio_shared::arcp::Client::close) waits for it. Jobs go on in the runtime in either case.
#[derive(Clone, Debug)]
pub struct Client {
    shared: nuncio_shared::arcp::Client,
}

impl Client {
    /// A client for a `ws://` URL and a bearer token; with the feature `tls`, for a `wss://` one, too.
    pub fn builder(url: &str, token: impl Into<String>) -> Result<ClientBuilder, InvalidUrl> {
        Ok(ClientBuilder::new(Box::new(Url::new(url, dial)?), token))
    }

    /// A client over connections of one's own: TLS, a memory pair, a stream that tests can cut. The function is asked
    /// for a new one whenever the former was lost, on the client's own thread.
    pub fn over<F, R>(connect: F, token: impl Into<String>) -> ClientBuilder
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = io::Result<Transport>> + Send + 'static,
    {
        ClientBuilder::new(Box::new(Function(connect)), token)
    }

    /// A client that starts a child process and speaks to it on its stdin and stdout (§4). Its stderr is left as the
    /// command has it. The session ends with the child; a child that does not end with its input is killed after 5 s.
    pub fn spawn(command: Command, token: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(Box::new(Process(Some(command))), token).reconnect(None)
    }

    pub(crate) fn of(shared: nuncio_shared::arcp::Client) -> Client {
        Client { shared }
    }
}

impl Deref for Client {
    type Target = nuncio_shared::arcp::Client;

    fn deref(&self) -> &nuncio_shared::arcp::Client {
        &self.shared
    }
}
