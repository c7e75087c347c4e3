//! Exact money: [`Currency`], [`Amount`], [`Amounts`] and the counters of a [`Budget`] (§9.6).
//!
//! No amount is ever a binary float. Every amount is a decimal of at most 28 digits after the point and an integer
//! coefficient below 2^96 (about 28 digits in all). Arithmetic is exact or refused, with one documented exception
//! ([`Budget::give_back`]). Amounts are normalised: `5.00` is `5` wherever it is written.

mod amount;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::string::String;
use core::fmt::{self, Write as _};

pub use self::amount::{Amount, AmountError, Currency, parse_amount};

/// Amounts by currency, at most one each, in the order of the currencies' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<Currency, Amount>);

impl Amounts {
    /// No amounts.
    pub const fn new() -> Amounts {
        Amounts(BTreeMap::new())
    }

    /// Adds an amount; the same currency twice is summed (ours). A sum that cannot be held is an error and changes
    /// nothing.
    pub fn add(&mut self, currency: Currency, amount: Amount) -> Result<(), AmountError> {
        match self.0.entry(currency) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(amount);
            }
            btree_map::Entry::Occupied(mut entry) => {
                let sum = entry.get().exact_add(amount)?;
                entry.insert(sum);
            }
        }
        Ok(())
    }

    /// The amount in this currency.
    pub fn of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Currency, Amount)> {
        self.0.iter().map(|(currency, amount)| (currency, *amount))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.0.len().saturating_mul(2 * size_of::<(Currency, Amount)>() + Currency::MAX_BYTES)
    }
}

/// The counters of a job's `cost.budget` (§9.6), one per currency.
///
/// What remains is what was granted, less what was spent, less what is set aside for children that have amounts of
/// their own (ours). So a family never spends more than its root was granted, but for the events that exhaust it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget(BTreeMap<Currency, Counter>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    granted: Amount,
    spent: Amount,
    remaining: Amount,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(granted: Amounts) -> Budget {
        let full = |granted| Counter { granted, spent: Amount::ZERO, remaining: granted };
        Budget(granted.0.into_iter().map(|(currency, granted)| (currency, full(granted))).collect())
    }

    /// Counts a cost and returns what remains, which may be less than nothing: the cost that exhausts a budget is
    /// counted. `None` if the currency is not budgeted.
    ///
    /// Errors: [`BudgetError::Amount`] for a negative cost, or one after which a counter could not be exact. Nothing is
    /// counted then.
    pub fn spend(&mut self, currency: &str, cost: Amount) -> Result<Option<Amount>, BudgetError> {
        if cost.is_negative() {
            return Err(AmountError::Negative.into());
        }
        let Some(counter) = self.0.get_mut(currency) else {
            return Ok(None);
        };
        let spent = counter.spent.exact_add(cost)?;
        let remaining = counter.remaining.exact_sub(cost)?;
        *counter = Counter { granted: counter.granted, spent, remaining };
        Ok(Some(remaining))
    }

    /// Sets the amounts of a child aside (ours, §9.4).
    ///
    /// Errors, all of which change nothing and mean `LEASE_SUBSET_VIOLATION`: [`BudgetError::NotBudgeted`],
    /// [`BudgetError::MoreThanRemains`], [`BudgetError::Amount`] where a counter could not be exact.
    pub fn set_aside(&mut self, amounts: &Amounts) -> Result<(), BudgetError> {
        let mut after = self.clone();
        for (currency, amount) in amounts.iter() {
            if amount.is_negative() {
                return Err(AmountError::Negative.into());
            }
            let Some(counter) = after.0.get_mut(currency) else {
                return Err(BudgetError::NotBudgeted { currency: currency.clone() });
            };
            let remaining = counter.remaining;
            if amount > remaining {
                return Err(BudgetError::MoreThanRemains { currency: currency.clone(), remaining });
            }
            counter.remaining = remaining.exact_sub(amount)?;
        }
        *self = after;
        Ok(())
    }

    /// Takes back what a child has left of the amounts that were set aside for it, also if that is less than nothing;
    /// what it spent counts as spent here. What it has itself set aside stays set aside.
    ///
    /// A child's end cannot be refused: where a sum would have too many digits it is rounded against the family (more
    /// spent, less remaining), and a counter that would overflow stays at its extreme. Neither happens to budgets whose
    /// amounts and costs together span fewer than 28 digits.
    pub fn give_back(&mut self, child: &Budget) {
        for (currency, ended) in &child.0 {
            let Some(counter) = self.0.get_mut(currency) else {
                continue;
            };
            counter.spent = counter.spent.add_upwards(ended.spent);
            counter.remaining = counter.remaining.add_downwards(ended.remaining);
        }
    }

    /// What remains, per currency, in the order of the currencies' bytes.
    pub fn remaining(&self) -> impl Iterator<Item = (&Currency, Amount)> {
        self.0.iter().map(|(currency, counter)| (currency, counter.remaining))
    }

    /// What remains in this currency; `None` if it is not budgeted.
    pub fn remaining_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.remaining)
    }

    /// What was granted in this currency; `None` if it is not budgeted.
    pub fn granted_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.granted)
    }

    /// What was spent in this currency, by the job and by its ended children; `None` if it is not budgeted.
    pub fn spent_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.spent)
    }

    /// The currencies of which nothing remains (§9.6: any counter ≤ 0).
    pub fn exhausted(&self) -> impl Iterator<Item = &Currency> {
        self.remaining().filter_map(|(currency, remaining)| (!remaining.is_positive()).then_some(currency))
    }

    /// Whether no currency is budgeted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What remains as a JSON object of numbers, `{"USD":3.58}`: the exact decimal text, no exponent, no trailing
    /// zeros.
    pub fn to_json_numbers(&self) -> String {
        self.to_json(|out, _, remaining| write!(out, "{remaining}"))
    }

    /// What remains as a JSON object of amount strings, `{"USD":"USD:3.58"}`: what the Python 1.1.3 client reads.
    pub fn to_json_amounts(&self) -> String {
        self.to_json(|out, currency, remaining| write!(out, "\"{currency}:{remaining}\""))
    }

    fn to_json(&self, value: impl Fn(&mut String, &Currency, Amount) -> fmt::Result) -> String {
        let mut out = String::from("{");
        for (index, (currency, remaining)) in self.remaining().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a String cannot fail. A currency has nothing that JSON escapes.
            let _ = write!(out, "{comma}\"{currency}\":");
            let _ = value(&mut out, currency, remaining);
        }
        out.push('}');
        out
    }

    /// An upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.0.len().saturating_mul(2 * size_of::<(Currency, Counter)>() + Currency::MAX_BYTES)
    }
}

/// Why a cost is not counted or a child's amounts are not set aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The amount itself, or a sum with it.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The parent has no budget in this currency.
    #[error("the parent has no budget in {currency}")]
    NotBudgeted {
        /// The child's currency.
        currency: Currency,
    },
    /// The child asks for more than remains.
    #[error("the child asks for more {currency} than the {remaining} that remain")]
    MoreThanRemains {
        /// The currency.
        currency: Currency,
        /// What remains of it.
        remaining: Amount,
    },
}
