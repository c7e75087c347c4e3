//! Amounts that are reserved for operations whose cost is not known yet.

use nuncio_core::arcp::{Body, Denied, Fault, Refused, ReservationId};
use nuncio_core::budget::Amount;
use nuncio_core::lease::Operation;

use super::context::JobContext;
use super::event::IntoNumber;

/// An amount that is held against the budget of the whole family of a job, from [`JobContext::reserve`] or
/// [`JobContext::authorize_reserving`].
///
/// [`Metric::settle`](super::Metric::settle) settles it: the cost is spent, and the rest is available again. An amount that
/// is not settled is available again when the reservation is dropped, and at the latest when the job ends. A job that is
/// cancelled has its reservations until it has stopped, because its operations may still be charged.
#[must_use = "the amount is available again as soon as the reservation is dropped"]
pub struct Reservation {
    ctx: JobContext,
    id: ReservationId,
    currency: String,
    is_open: bool,
}

impl JobContext {
    /// Reserves an amount of the budget for an operation whose cost is not known yet. Until it is settled, no job of the
    /// family can spend, delegate or reserve it. Without a budget in this currency nothing is held.
    ///
    /// If every cost of a family is reserved before the operation, and is at most what was reserved, the family never
    /// spends more than it was granted.
    ///
    /// ```
    /// use nuncio_shared::arcp::{Failure, JobContext, Number, OrFail};
    ///
    /// # async fn search(_: &str) -> (String, &'static str) { ("found".to_owned(), "0.02") }
    /// async fn agent(query: String, ctx: JobContext) -> Result<String, Failure> {
    ///     let most = Number::parse("0.10").or_fail("not a number")?;
    ///     let reservation = ctx.reserve("USD", most)?;
    ///     let (found, price) = search(&query).await;
    ///     let price = Number::parse(price).or_fail("not a number")?;
    ///     ctx.metric("cost.search", price).settle(reservation).await?;
    ///     Ok(found)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Denied::Fault`] with `BUDGET_EXHAUSTED` if less remains, and with `INVALID_REQUEST` for what is not an amount above
    /// zero of a currency; [`Denied::NotRunning`].
    pub fn reserve(&self, currency: &str, amount: impl IntoNumber) -> Result<Reservation, Denied> {
        let amount = exact(amount)?;
        let reserve = self.with_job(|runtime, now, job| runtime.reserve(now, job, currency, amount));
        Ok(self.reserved(reserve?, currency))
    }

    /// Checks an operation as [`authorize`](JobContext::authorize) does, and reserves an amount for it as
    /// [`reserve`](JobContext::reserve) does. Both happen or neither.
    ///
    /// ```
    /// use nuncio_shared::arcp::{Failure, JobContext, Number, OrFail};
    ///
    /// # async fn post(_: &str) {}
    /// async fn agent(url: String, ctx: JobContext) -> Result<(), Failure> {
    ///     let most = Number::parse("0.10").or_fail("not a number")?;
    ///     let (operation, reservation) = ctx.authorize_reserving("net.fetch", &url, "USD", most)?;
    ///     post(operation.target()).await;
    ///     ctx.metric("cost.post", Number::parse("0.05").or_fail("not a number")?).settle(reservation).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn authorize_reserving(
        &self,
        namespace: &str,
        target: &str,
        currency: &str,
        amount: impl IntoNumber,
    ) -> Result<(Operation, Reservation), Denied> {
        let operation = match namespace {
            "model.use" => Operation::model(target),
            namespace => Operation::new(namespace, target),
        };
        let operation = operation.map_err(|error| super::context::denied(&error))?;
        let amount = exact(amount)?;
        let reserve =
            self.with_job(|runtime, now, job| runtime.authorize_reserving(now, job, &operation, currency, amount));
        let reservation = self.reserved(reserve?, currency);
        Ok((operation, reservation))
    }

    fn reserved(&self, id: ReservationId, currency: &str) -> Reservation {
        Reservation { ctx: self.clone(), id, currency: currency.to_owned(), is_open: true }
    }
}

impl Reservation {
    /// Returns the number of the reservation within its job.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// Returns the currency of the amount.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Emits a cost that was made beforehand, and settles the reservation with it, as [`Metric::settle`](super::Metric::settle)
    /// does. Waits while the owner's event log is full.
    ///
    /// # Errors
    ///
    /// [`Refused::Stale`] if it is settled already; [`Refused::Invalid`] for a body that is not a cost in its currency;
    /// otherwise as [`emit`](JobContext::emit). The amount is still reserved then.
    pub async fn settle(&mut self, body: &Body) -> Result<(), Refused> {
        let id = self.id;
        self.ctx.emit_with(|runtime, now, job| runtime.settle(now, job, id, body)).await?;
        self.is_open = false;
        Ok(())
    }

    /// Whether it is one of this job.
    pub(super) fn is_of(&self, ctx: &JobContext) -> bool {
        self.ctx.is_same_job(ctx)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.is_open {
            let id = self.id;
            // Refused if the job has ended, which has released it.
            drop(self.ctx.with_job(|runtime, now, job| runtime.release(now, job, id)));
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("id", &self.id.0).field("currency", &self.currency).finish_non_exhaustive()
    }
}

fn exact(amount: impl IntoNumber) -> Result<Amount, Denied> {
    let amount = amount.into_number().map_err(|refused| Fault::invalid(refused.to_string()))?;
    Ok(Amount::from_json_number(amount.as_str()).map_err(|error| Fault::invalid(error.to_string()))?)
}
