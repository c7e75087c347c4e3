//! The `metric` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Number, Refused};
use serde::Serialize;

use super::members::Members;
use super::number::IntoNumber;
use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// A `metric` event (§8.2). From [`JobContext::metric`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Metric<'a> {
    ctx: &'a JobContext,
    name: &'a str,
    value: Result<Number, Refused>,
    unit: Option<&'a str>,
    dimensions: Members<'a>,
}

impl JobContext {
    /// Emits a `metric` event: a measured number. One named `cost.*` whose unit is a currency of the budget is a charge
    /// (§9.6).
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Number, Refused};
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.metric("latency", 12.5).unit("ms").dimension("model", "fast/1").await?;
    /// // Money is exact: a `Number` is sent as the text that it is made from.
    /// if let Some(price) = Number::parse("0.10") {
    ///     ctx.metric("cost.inference", price).unit("USD").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for a number that is not finite, a negative cost, and `cost.budget.remaining`, which only the
    /// runtime emits.
    pub fn metric<'a>(&'a self, name: &'a str, value: impl IntoNumber) -> Metric<'a> {
        Metric { ctx: self, name, value: value.into_number(), unit: None, dimensions: Members::new() }
    }
}

impl<'a> Metric<'a> {
    /// Sets the unit of the value.
    pub fn unit(mut self, unit: &'a str) -> Metric<'a> {
        self.unit = Some(unit);
        self
    }

    /// Sets a member of the event's `dimensions`: any value that serde can write as JSON.
    pub fn dimension(mut self, name: &'a str, value: impl Serialize) -> Metric<'a> {
        self.dimensions.set(name, &value);
        self
    }

    fn body(self) -> Result<Body, Refused> {
        let dimensions = self.dimensions.object()?;
        Ok(Body::metric(self.name, &self.value?, self.unit, dimensions.as_deref())?)
    }
}

impl<'a> IntoFuture for Metric<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(self.body())
    }
}
