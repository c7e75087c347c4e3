//! The limit of open files, of which a server needs one for each connection.

use crate::text::eprint_line;

/// Raises the limit as far as the system lets it be, or says why it stays.
pub(crate) fn raise_limit() {
    if let Err(error) = nuncio_tokio::io::raise_descriptor_limit() {
        eprint_line(&format!("nuncio: warning: the limit of open files cannot be raised: {error}"));
    }
}
