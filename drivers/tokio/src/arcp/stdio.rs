//! Standard input and output as a transport (§4).

use nuncio_shared::arcp::Via;

use crate::arcp::Server;

impl Server {
    /// Serves the parent process on this one's stdin and stdout, until stdin ends.
    ///
    /// Nothing else may be written to stdout: let logs go to stderr.
    pub async fn serve_stdio(&self) {
        let stdio = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        self.accept_lines(stdio, Via::Stdio).ended().await;
    }
}
