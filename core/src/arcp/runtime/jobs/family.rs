//! Delegation: jobs above and below, and the budgets they share (§9.6, §10).

use alloc::string::ToString;

use super::Jobs;
use super::ending::JobEnd;
use super::job::Job;
use super::reservations::Reserved;
use super::state::JobState;
use crate::arcp::runtime::host::{JobKey, ReservationId};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::budget::{Amount, Amounts, Budget, BudgetError, Currency};

impl Jobs {
    /// Returns the budgets that a job spends from, nearest first: its own and those of its ancestors.
    fn budgets(&self, id: JobKey) -> impl Iterator<Item = (JobKey, &Budget)> {
        let mut at = Some(id);
        let line = core::iter::from_fn(move || {
            let id = at?;
            let job = self.get(id)?;
            at = job.parent();
            Some((id, job))
        });
        line.filter_map(|(id, job)| Some((id, job.budget()?)))
    }

    /// The budget that is shown of a job: its own, or the nearest above it.
    pub(in crate::arcp::runtime) fn budget_of(&self, id: JobKey) -> Option<&Budget> {
        self.budgets(id).next().map(|(_, budget)| budget)
    }

    /// The job whose budget a cost in this currency is taken from: the nearest that has the currency. Otherwise a lease
    /// that names only other currencies would allow more than its parent's (§9.4).
    pub(in crate::arcp::runtime) fn purse(&self, id: JobKey, currency: &str) -> Option<JobKey> {
        self.budgets(id).find(|(_, budget)| budget.remaining_of(currency).is_some()).map(|(holder, _)| holder)
    }

    /// Returns an exhausted currency of a job, if there is one. What the job has reserved itself is not lost to it.
    pub(in crate::arcp::runtime) fn exhausted(&self, id: JobKey) -> Option<&Currency> {
        let own = |currency: &Currency| self.get(id).map_or(Amount::ZERO, |job| job.reservations().total(currency));
        let mut all =
            self.budgets(id).flat_map(|(holder, budget)| budget.exhausted_beside(own).map(move |one| (holder, one)));
        all.find_map(|(holder, currency)| (self.purse(id, currency.as_str()) == Some(holder)).then_some(currency))
    }

    /// Reserves an amount from the budget that pays a job's costs in this currency (ours).
    pub(in crate::arcp::runtime) fn reserve(
        &mut self,
        id: JobKey,
        currency: Currency,
        amount: Amount,
    ) -> Result<Option<ReservationId>, BudgetError> {
        let holder = self.purse(id, currency.as_str());
        if let Some(budget) = holder.and_then(|holder| self.get_mut(holder)).and_then(Job::budget_mut) {
            budget.reserve(currency.as_str(), amount)?;
        }
        Ok(self.get_mut(id).map(|job| job.reservations_mut().add(Reserved { holder, currency, amount })))
    }

    /// The number of amounts that a job has reserved.
    pub(in crate::arcp::runtime) fn reserved_amounts(&self, id: JobKey) -> usize {
        self.get(id).map_or(0, |job| job.reservations().len())
    }

    /// The currency of a reservation that was not settled or released.
    pub(in crate::arcp::runtime) fn reserved_in(&self, id: JobKey, reservation: ReservationId) -> Option<&Currency> {
        self.get(id)?.reservations().of(reservation).map(|reserved| &reserved.currency)
    }

    /// Makes a reserved amount available again. Returns whether it was reserved.
    pub(in crate::arcp::runtime) fn release(&mut self, id: JobKey, reservation: ReservationId) -> bool {
        let reserved = self.get_mut(id).and_then(|job| job.reservations_mut().remove(reservation));
        let was_reserved = reserved.is_some();
        self.put_back(reserved);
        was_reserved
    }

    /// Makes all that an ended job has reserved available again.
    pub(super) fn release_all(&mut self, id: JobKey) {
        while let Some(reserved) = self.get_mut(id).and_then(|job| job.reservations_mut().pop()) {
            self.put_back(Some(reserved));
        }
    }

    fn put_back(&mut self, reserved: Option<Reserved>) {
        let Some(Reserved { holder: Some(holder), currency, amount }) = reserved else { return };
        if let Some(budget) = self.get_mut(holder).and_then(Job::budget_mut) {
            budget.release(currency.as_str(), amount);
        }
    }

    /// Takes a cost from the budget of `holder`, in place of what the job had reserved for it. Returns what remains.
    pub(in crate::arcp::runtime) fn charge(
        &mut self,
        id: JobKey,
        holder: JobKey,
        unit: &str,
        cost: Amount,
        settles: Option<ReservationId>,
    ) -> Result<Option<Amount>, BudgetError> {
        let reserved = settles.and_then(|reservation| self.get(id)?.reservations().of(reservation));
        let reserved = reserved.map_or(Amount::ZERO, |reserved| reserved.amount);
        let Some(budget) = self.get_mut(holder).and_then(Job::budget_mut) else { return Ok(None) };
        let remaining = budget.settle(unit, reserved, cost)?;
        if let (Some(job), Some(reservation)) = (self.get_mut(id), settles) {
            job.reservations_mut().remove(reservation);
        }
        Ok(remaining)
    }

    /// Sets the amounts of a child aside from its parent's budget (ours).
    pub(in crate::arcp::runtime) fn set_aside(&mut self, parent: JobKey, amounts: &Amounts) -> Result<(), Fault> {
        let violation = |message| Fault::new(ErrorCode::LeaseSubsetViolation, message);
        let budget = self.get_mut(parent).and_then(|job| job.budget_mut());
        let budget = budget.ok_or_else(|| violation("the parent's lease has no cost.budget".to_string()))?;
        budget.set_aside(amounts).map_err(|error| violation(error.to_string()))
    }

    /// Removes an ended job from its family. What is left of its budget returns to its parent. Returns the parent if
    /// its budget has changed.
    pub(in crate::arcp::runtime) fn leave_family(
        &mut self,
        id: JobKey,
        parent: Option<JobKey>,
        budget: Option<&Budget>,
    ) -> Option<JobKey> {
        let job = self.get_mut(parent?)?;
        job.release(id);
        job.budget_mut()?.give_back(budget?);
        parent
    }

    /// Returns the job below this one that ends first. No job is below that.
    pub(in crate::arcp::runtime) fn first_to_end_below(&self, id: JobKey) -> Option<JobKey> {
        let has_ended = |id: &JobKey| self.get(*id).is_none_or(|job| job.state() == JobState::Left);
        let child = |id: JobKey| self.get(id)?.children().find(|child| !has_ended(child));
        let mut first = child(id)?;
        while let Some(below) = child(first) {
            first = below;
        }
        Some(first)
    }

    /// Keeps how a job ends until the jobs below it have ended.
    pub(in crate::arcp::runtime) fn keep_ending(&mut self, id: JobKey, ending: JobEnd) {
        if let Some(job) = self.get_mut(id) {
            job.keep_ending(ending);
        }
    }

    /// Returns how a job ends that waits for the jobs below it, and lets it wait no longer.
    pub(in crate::arcp::runtime) fn take_ending(&mut self, id: JobKey) -> Option<JobEnd> {
        self.get_mut(id)?.take_ending()
    }

    /// Returns whether a job, or one above it, only waits for the jobs below it to end.
    pub(in crate::arcp::runtime) fn is_family_ending(&self, id: JobKey) -> bool {
        let line = core::iter::successors(self.get(id), |job| self.get(job.parent()?));
        line.into_iter().any(Job::is_ending)
    }
}
