//! The `progress` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Number, Refused};

use super::number::IntoNumber;
use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// A `progress` event (§8.2.1). From [`JobContext::progress`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Progress<'a> {
    ctx: &'a JobContext,
    current: Result<Number, Refused>,
    total: Option<Result<Number, Refused>>,
    units: Option<&'a str>,
    message: Option<&'a str>,
}

impl JobContext {
    /// Emits a `progress` event: how much of the work is done. Sessions that have not negotiated `progress` do not receive
    /// it.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Refused};
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.progress(3).of(10).units("pages").message("reading the appendix").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] if a number is negative or not finite.
    pub fn progress(&self, current: impl IntoNumber) -> Progress<'_> {
        Progress { ctx: self, current: current.into_number(), total: None, units: None, message: None }
    }
}

impl<'a> Progress<'a> {
    /// Sets the `total`: how much work there is.
    pub fn of(mut self, total: impl IntoNumber) -> Progress<'a> {
        self.total = Some(total.into_number());
        self
    }

    /// Sets what the numbers count.
    pub fn units(mut self, units: &'a str) -> Progress<'a> {
        self.units = Some(units);
        self
    }

    /// Sets a sentence for people.
    pub fn message(mut self, message: &'a str) -> Progress<'a> {
        self.message = Some(message);
        self
    }

    fn body(self) -> Result<Body, Refused> {
        let total = self.total.transpose()?;
        Ok(Body::progress(&self.current?, total.as_ref(), self.units, self.message)?)
    }
}

impl<'a> IntoFuture for Progress<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(self.body())
    }
}
