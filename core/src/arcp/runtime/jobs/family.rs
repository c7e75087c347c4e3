//! Delegation: jobs above and below, and the budgets they share (§9.6, §10).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Jobs;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::budget::{Amounts, Budget, Currency};

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

    /// Returns an exhausted currency of a job, if there is one.
    pub(in crate::arcp::runtime) fn exhausted(&self, id: JobKey) -> Option<&Currency> {
        let mut all = self.budgets(id).flat_map(|(holder, budget)| budget.exhausted().map(move |one| (holder, one)));
        all.find_map(|(holder, currency)| (self.purse(id, currency.as_str()) == Some(holder)).then_some(currency))
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

    /// The jobs below this one that have not ended, each before the one that delegated it.
    pub(in crate::arcp::runtime) fn descendants(&self, id: JobKey) -> Vec<JobKey> {
        let children = |id: JobKey| self.get(id).map_or(&[][..], |job| job.children());
        let mut open: Vec<JobKey> = children(id).to_vec();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            found.push(id);
            open.extend(children(id));
        }
        // The search finds parents first and siblings in reverse order, so the result is reversed.
        found.reverse();
        found
    }
}
