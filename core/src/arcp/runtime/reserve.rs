//! Reservations: amounts that are held for operations whose cost is not known yet (ours, §9.6).

use alloc::borrow::Cow;
use alloc::string::ToString;

use super::Runtime;
use super::host::{Denied, JobKey, Refused, ReservationId};
use crate::arcp::wire::body::{Body, Meta};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::budget::{Amount, BudgetError, Currency};
use crate::lease::Operation;
use crate::time::Time;

impl Runtime {
    /// Holds an amount of a running job's budget until [`settle`](Runtime::settle) or [`release`](Runtime::release), and at
    /// most until the job ends. Nobody in the family can spend, delegate or reserve it meanwhile. Without a budget in this
    /// currency nothing is held.
    ///
    /// Errors: [`Denied::Fault`] with `BUDGET_EXHAUSTED` for more than what remains, with `INVALID_REQUEST` for what is not
    /// an amount above zero of a currency, and with the limit `reservations_per_job`; [`Denied::NotRunning`].
    ///
    /// ```
    /// # use nuncio_core::arcp::{Body, Denied, JobKey, Number, Runtime};
    /// # use nuncio_core::budget::Amount;
    /// # use nuncio_core::time::Time;
    /// fn search(runtime: &mut Runtime, now: Time, job: JobKey) -> Result<(), Box<dyn std::error::Error>> {
    ///     let most = Amount::from_json_number("0.10")?;
    ///     let reservation = runtime.reserve(now, job, "USD", most)?;
    ///     // The search costs two cents. The other eight are available again.
    ///     let cost = Number::parse("0.02").ok_or("not a number")?;
    ///     let charge = Body::metric("cost.search", &cost, Some("USD"), None)?;
    ///     runtime.settle(now, job, reservation, &charge)?;
    ///     Ok(())
    /// }
    /// ```
    pub fn reserve(&mut self, now: Time, job: JobKey, currency: &str, amount: Amount) -> Result<ReservationId, Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            this.reserve_amount(job, currency, amount)
        })
    }

    /// Checks an operation as [`authorize`](Runtime::authorize) does, and reserves an amount for it as
    /// [`reserve`](Runtime::reserve) does. Both happen or neither.
    ///
    /// Errors: those of both.
    pub fn authorize_reserving(
        &mut self,
        now: Time,
        job: JobKey,
        operation: &Operation,
        currency: &str,
        amount: Amount,
    ) -> Result<ReservationId, Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            this.check_operation(job, operation)?;
            this.reserve_amount(job, currency, amount)
        })
    }

    fn reserve_amount(&mut self, id: JobKey, currency: &str, amount: Amount) -> Result<ReservationId, Denied> {
        let currency = Currency::parse(currency).map_err(|error| Fault::invalid(error.to_string()))?;
        if !amount.is_positive() {
            return Err(Denied::Fault(Fault::invalid("the amount to reserve has to be above zero")));
        }
        let max = self.config.limits.reservations_per_job;
        if self.jobs.reserved_amounts(id) >= max {
            return Err(Denied::Fault(Fault::limit("reservations_per_job", max as u64)));
        }
        match self.jobs.reserve(id, currency, amount) {
            Ok(reservation) => reservation.ok_or(Denied::NotRunning),
            Err(error @ BudgetError::NotEnough { .. }) => {
                Err(Denied::Fault(Fault::new(ErrorCode::BudgetExhausted, error.to_string())))
            }
            Err(error) => Err(Denied::Fault(Fault::invalid(error.to_string()))),
        }
    }

    /// Emits a cost as [`emit`](Runtime::emit) does, in place of the amount that was reserved for it. What was not spent is
    /// available again, and a cost above the reservation is counted in full.
    ///
    /// Errors: those of [`emit`](Runtime::emit), after which the amount is still reserved; [`Refused::Stale`] for a
    /// reservation that was settled or released; [`Refused::Invalid`] for a body that is not a cost in its currency.
    pub fn settle(&mut self, now: Time, job: JobKey, reservation: ReservationId, body: &Body) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let currency = this.jobs.reserved_in(job, reservation).ok_or(Refused::Stale)?;
            if let Meta::Cost { unit, amount } = &body.meta
                && unit == currency.as_str()
            {
                return this.emit_cost(job, body, unit, amount.as_ref().ok(), Some(reservation));
            }
            Err(Refused::Invalid(Cow::Borrowed(
                "only a metric named cost.*, with the currency of the reservation as its unit, settles it",
            )))
        })
    }

    /// Makes a reserved amount available again.
    ///
    /// Errors: [`Refused::Stale`] for a reservation that was settled or released, also by the end of the job.
    pub fn release(&mut self, now: Time, job: JobKey, reservation: ReservationId) -> Result<(), Refused> {
        self.input(now, |this| if this.jobs.release(job, reservation) { Ok(()) } else { Err(Refused::Stale) })
    }
}
