//! Files that a user names and that cannot be used: what to do about it.

use std::io;

use nuncio_tokio::auth::{JwtKeyError, TlsError};

/// What to do about a file that cannot be opened, read or written, as the end of a sentence.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => "; check that the path is right",
        ErrorKind::IsADirectory => "; this is a folder: give the path of a file",
        ErrorKind::PermissionDenied => "; check that the path is right, and that you may use the file",
        ErrorKind::ReadOnlyFilesystem => "; give a path that can be written",
        _ => "",
    }
}

/// What to do about certificates and keys that cannot be used.
pub(crate) fn tls_advice(error: &TlsError) -> &'static str {
    match error {
        TlsError::File { error, .. } => advice(error),
        _ => "",
    }
}

/// What to do about keys for JSON Web Tokens that cannot be used.
pub(crate) fn jwt_advice(error: &JwtKeyError) -> &'static str {
    match error {
        JwtKeyError::File { error, .. } => advice(error),
        _ => "",
    }
}
