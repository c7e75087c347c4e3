//! The `status` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Refused};

use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// A `status` event (§8.2). From [`JobContext::status`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Status<'a> {
    ctx: &'a JobContext,
    phase: &'a str,
    message: Option<&'a str>,
}

impl JobContext {
    /// Emits a `status` event: the phase that the job is in now. The phases `running` and `back_pressure` are also emitted
    /// by the runtime.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Refused};
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.status("fetching").message("https://example.com").await?;
    /// ctx.status("indexing").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for the phase `credential_rotated`, which [`rotate`](JobContext::rotate) emits, and for
    /// `subscription_dropped`, which only the runtime emits.
    pub fn status<'a>(&'a self, phase: &'a str) -> Status<'a> {
        Status { ctx: self, phase, message: None }
    }
}

impl<'a> Status<'a> {
    /// Sets a sentence for people.
    pub fn message(mut self, message: &'a str) -> Status<'a> {
        self.message = Some(message);
        self
    }
}

impl<'a> IntoFuture for Status<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(Body::status(self.phase, self.message).map_err(Into::into))
    }
}
