//! The amounts of a job: granted, spent and reserved (§9.6).

use super::Job;
use crate::arcp::runtime::jobs::reservations::Reservations;
use crate::budget::{Amount, Amounts, Budget, BudgetError};

impl Job {
    /// The amounts its lease grants it; `None` if it draws on its parent's or has no budget.
    pub(crate) fn granted(&self) -> Option<&Amounts> {
        self.granted.as_ref()
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(in crate::arcp::runtime::jobs) fn budget_mut(&mut self) -> Option<&mut Budget> {
        self.budget.as_mut()
    }

    /// Takes a cost from its own budget; returns what remains of that currency, if the budget has it (§9.6).
    pub(crate) fn spend(&mut self, unit: &str, amount: Amount) -> Result<Option<Amount>, BudgetError> {
        self.budget.as_mut().map_or(Ok(None), |budget| budget.spend(unit, amount))
    }

    /// The amounts that it has reserved.
    pub(in crate::arcp::runtime::jobs) fn reservations(&self) -> &Reservations {
        &self.reservations
    }

    pub(in crate::arcp::runtime::jobs) fn reservations_mut(&mut self) -> &mut Reservations {
        &mut self.reservations
    }
}
