//! Standard input and output.

use nuncio_shared::io::Stream;

use crate::stream;

/// Returns stdin and stdout as one stream.
pub(crate) fn stdio() -> Stream {
    stream(tokio::io::join(tokio::io::stdin(), tokio::io::stdout()))
}
