//! Connections within one process.

use nuncio_core::arcp::Via;
use nuncio_link::Link;

use crate::arcp::client::Transport;
use crate::arcp::server::Server;
use crate::io::memory::End;

/// Bytes that either side may be ahead.
const BUFFER: usize = 64 * 1024;

impl Server {
    /// Opens a connection within this process and returns the client's end, for a client over connections of one's own.
    pub fn connect_memory(&self) -> Transport {
        let (ours, theirs) = End::pair(BUFFER);
        let link = Link::lines(self.link_options());
        self.attach(Box::pin(ours), link, Via::Memory, "this process");
        Transport::lines(theirs)
    }
}
