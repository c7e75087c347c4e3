//! The `log` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Refused};
use serde::Serialize;

use super::level::Level;
use super::members::Members;
use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// A `log` event (§8.2). From [`JobContext::log`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Log<'a> {
    ctx: &'a JobContext,
    level: Level,
    message: &'a str,
    attributes: Members<'a>,
}

impl JobContext {
    /// Emits a `log` event: a message for people, with fields for programs.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Level, Refused};
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.log(Level::Info, "the index is built").await?;
    /// ctx.log(Level::Warn, "a page was skipped").field("page", 7).field("reason", "no text").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn log<'a>(&'a self, level: Level, message: &'a str) -> Log<'a> {
        Log { ctx: self, level, message, attributes: Members::new() }
    }
}

impl<'a> Log<'a> {
    /// Sets a member of the event's `attributes`: any value that serde can write as JSON.
    pub fn field(mut self, name: &'a str, value: impl Serialize) -> Log<'a> {
        self.attributes.set(name, &value);
        self
    }

    fn body(self) -> Result<Body, Refused> {
        Ok(Body::log(self.level.as_str(), self.message, self.attributes.object()?.as_deref()))
    }
}

impl<'a> IntoFuture for Log<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(self.body())
    }
}
