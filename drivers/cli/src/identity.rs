//! The certificates of servers.

use std::path::Path;

use nuncio_tokio::auth::{Identity, TlsError};

use crate::text::eprint_line;

/// Reads the certificate and the key of a server, and says on stderr if clients refuse the certificate.
pub(crate) fn of_server(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let identity = Identity::from_files(certificate, key)?;
    if let Some(reason) = identity.unfit_for_server() {
        let name = certificate.display();
        eprint_line(&format!(
            "nuncio: warning: --tls-cert: clients refuse the certificate in {name}, because it {reason}"
        ));
    }
    Ok(identity)
}
