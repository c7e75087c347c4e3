//! Reads tokens, keys and certificates again, after SIGHUP and, with --watch, when their files change.

use std::path::PathBuf;
use std::time::Duration;

use nuncio_tokio::auth::{BoxVerifier, ReplaceableVerifier, ServerTls};
use tokio::time::MissedTickBehavior;
use tracing::error;

use super::parse;
use super::security::{Security, SecurityError};
use super::settings::Settings;
use super::watch::{Stamps, Watch};
use crate::text::eprint_line;

/// How often --watch looks at the files.
const POLL: Duration = Duration::from_secs(1);

/// What can be replaced while the server runs, and where it is read from.
pub(super) struct Reload {
    of_flags: Security,
    config: Option<PathBuf>,
    verifier: ReplaceableVerifier,
    /// The verifier of mandates, which reads its keys and revoked ids again by itself.
    mandates: Option<BoxVerifier>,
    tls: Option<ServerTls>,
    /// Whether the only token is one that was generated at the start, which stays.
    generated: bool,
    files: Vec<PathBuf>,
    /// The files as they were just before they were read.
    read: Stamps,
    watch: bool,
}

/// Why nothing was replaced.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    File(#[from] super::error::ServeError),
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error("they leave no way to authenticate")]
    Unprotected,
    #[error("TLS is turned on and off by a restart only")]
    Tls,
}

impl Reload {
    pub(super) fn new(
        settings: &Settings,
        verifier: ReplaceableVerifier,
        mandates: Option<BoxVerifier>,
        tls: Option<ServerTls>,
    ) -> Reload {
        let generated = settings.security.is_empty();
        Reload {
            of_flags: settings.security_of_flags.clone(),
            config: settings.file.clone(),
            verifier,
            mandates,
            tls,
            generated,
            files: settings.security_files(),
            read: settings.stamps.clone(),
            watch: settings.watch,
        }
    }

    /// Reads everything again. If some of it cannot be used, everything stays as it is, and the log says why.
    pub(super) fn now(&mut self) {
        self.read = Stamps::of(&self.files);
        match self.replace() {
            Ok(()) => eprint_line("nuncio: tokens, keys and certificates were read again; open connections go on"),
            Err(error) => {
                error!(%error, "tokens, keys and certificates could not be read again; the previous ones stay in use");
            }
        }
    }

    fn replace(&mut self) -> Result<(), ReloadError> {
        let file = self.config.as_deref().map(parse::read).transpose()?.unwrap_or_default();
        let security = self.of_flags.clone().or(file.security);
        let files: Vec<PathBuf> = security.files().chain(self.config.iter()).cloned().collect();
        if files != self.files {
            self.read = Stamps::of(&files);
            self.files = files;
        }
        if security.is_empty() {
            return if self.generated { Ok(()) } else { Err(ReloadError::Unprotected) };
        }
        let verifier = security.verifier(self.mandates.clone())?;
        match (&self.tls, security.tls()?) {
            (Some(tls), Some(next)) => tls.replace(&next),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return Err(ReloadError::Tls),
        }
        self.verifier.replace(verifier);
        self.generated = false;
        Ok(())
    }

    /// With --watch, waits until files have changed; otherwise for ever.
    pub(super) async fn changed(&mut self) {
        if !self.watch {
            std::future::pending::<()>().await;
        }
        let mut watch = Watch::new(self.read.clone());
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if watch.have_changed(Stamps::of(&self.files)) {
                return;
            }
        }
    }
}
