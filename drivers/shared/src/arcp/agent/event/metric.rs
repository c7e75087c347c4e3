//! The `metric` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Number, Refused};
use serde::Serialize;

use super::members::Members;
use super::number::IntoNumber;
use crate::arcp::agent::context::JobContext;
use crate::arcp::agent::reservation::Reservation;
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
    reservation: Option<Reservation>,
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
        Metric {
            ctx: self,
            name,
            value: value.into_number(),
            unit: None,
            dimensions: Members::new(),
            reservation: None,
        }
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

    /// Makes the metric, which has to be a `cost.*`, settle a reservation: the cost is spent, and the rest of the amount is
    /// available again. A cost above the reservation is counted in full. The unit is the currency of the reservation, unless
    /// another one was set.
    ///
    /// If the metric cannot be emitted, or its future is dropped before, the reservation is released.
    pub fn settle(mut self, reservation: Reservation) -> Metric<'a> {
        self.reservation = Some(reservation);
        self
    }

    fn body(self) -> Result<(Body, Option<Reservation>), Refused> {
        let dimensions = self.dimensions.object()?;
        let unit = self.unit.or(self.reservation.as_ref().map(Reservation::currency));
        let body = Body::metric(self.name, &self.value?, unit, dimensions.as_deref())?;
        Ok((body, self.reservation))
    }
}

impl<'a> IntoFuture for Metric<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        let ctx = self.ctx;
        let built = self.body();
        Box::pin(async move {
            match built? {
                (_, Some(reservation)) if !reservation.is_of(ctx) => {
                    Err(Refused::Invalid("the reservation belongs to another job".into()))
                }
                (body, Some(mut reservation)) => reservation.settle(&body).await,
                (body, None) => ctx.emit(&body).await,
            }
        })
    }
}
