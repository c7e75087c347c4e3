//! A transport within one process.

use std::io;

use crate::arcp::Server;
use crate::arcp::Transport;

impl Server {
    /// Opens a connection within this process and returns the client's end: for
    /// [`Client::over`](crate::arcp::Client::over).
    pub fn connect_memory(&self) -> Transport {
        (**self).connect_memory().into()
    }

    /// A connector for [`Client::over`](crate::arcp::Client::over) that always reaches this server.
    pub fn memory_connector(&self) -> impl FnMut() -> std::future::Ready<io::Result<Transport>> + Send + 'static {
        let server = self.clone();
        move || std::future::ready(Ok(server.connect_memory()))
    }
}
