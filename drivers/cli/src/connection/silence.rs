//! Says that a server does not answer yet.

use std::pin::pin;
use std::time::Duration;

use nuncio_tokio::arcp::{Client, ClientBuildError, ClientBuilder};

use crate::error::without_parameters;
use crate::text::eprint_line;

/// How long a server is not reached before a line says so.
const SILENCE: Duration = Duration::from_secs(2);

/// Waits for a connection, and calls `say` once if that takes a while.
pub(crate) async fn reported<T>(connecting: impl Future<Output = T>, say: impl FnOnce()) -> T {
    let mut connecting = pin!(connecting);
    tokio::select! {
        biased;
        connected = &mut connecting => return connected,
        () = tokio::time::sleep(SILENCE) => say(),
    }
    connecting.await
}

/// Opens a session with the runtime at this URL. Unless `is_quiet`, a line says that the runtime does not answer yet.
pub(crate) async fn connect(builder: ClientBuilder, url: &str, is_quiet: bool) -> Result<Client, ClientBuildError> {
    let say = || {
        if !is_quiet {
            eprint_line(&format!("nuncio: {} does not answer yet; still waiting", without_parameters(url)));
        }
    };
    reported(builder.connect(), say).await
}
