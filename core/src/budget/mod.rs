//! Exact amounts of money: [`Currency`], [`Amount`], [`Amounts`] and the counters of a [`Budget`] (§9.6).
//!
//! No amount is ever a binary float. An amount is a decimal with at most 28 digits after the point and an integer
//! coefficient below 2^96 (about 28 digits in all). Arithmetic is exact or refused, with one documented exception
//! ([`Budget::give_back`]). Amounts are normalised: `5.00` is written as `5`.

mod amount;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::string::String;
use core::fmt::{self, Write as _};

pub use self::amount::{Amount, AmountError, Currency, parse_amount};

/// At most one amount for each currency, ordered by the bytes of the currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<Currency, Amount>);

impl Amounts {
    /// Returns an empty set of amounts.
    pub const fn new() -> Amounts {
        Amounts(BTreeMap::new())
    }

    /// Adds an amount to that of its currency (ours).
    ///
    /// # Errors
    ///
    /// [`AmountError`] for a sum that cannot be held exactly. Nothing is changed then.
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

    /// Returns the amount in this currency.
    pub fn of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).copied()
    }

    /// Returns the amounts with their currencies.
    pub fn iter(&self) -> impl Iterator<Item = (&Currency, Amount)> {
        self.0.iter().map(|(currency, amount)| (currency, *amount))
    }

    /// Returns whether there are no amounts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns an upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.0.len().saturating_mul(2 * size_of::<(Currency, Amount)>() + Currency::MAX_BYTES)
    }
}

/// The counters of a job's `cost.budget` (§9.6), one for each currency.
///
/// What remains is what was granted, less what was spent, less what is set aside for delegated jobs that have amounts
/// of their own, less what is reserved for operations that were not charged yet (ours). A job and its descendants together
/// therefore never spend more than the job was granted if each of their costs was reserved. A cost without a reservation is
/// counted in full, also beyond what remains.
///
/// ```
/// use nuncio_core::budget::{Amount, Amounts, Budget, parse_amount};
///
/// let mut granted = Amounts::new();
/// let (usd, five) = parse_amount("USD:5.00")?;
/// granted.add(usd, five)?;
///
/// let mut budget = Budget::new(granted);
/// let remaining = budget.spend("USD", Amount::from_json_number("1.42")?)?;
/// assert_eq!(remaining.unwrap().to_string(), "3.58");
/// assert_eq!(budget.to_json_numbers(), r#"{"USD":3.58}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget(BTreeMap<Currency, Counter>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    granted: Amount,
    spent: Amount,
    remaining: Amount,
}

impl Budget {
    /// Creates a budget from which nothing was spent.
    pub fn new(granted: Amounts) -> Budget {
        let full = |granted| Counter { granted, spent: Amount::ZERO, remaining: granted };
        Budget(granted.0.into_iter().map(|(currency, granted)| (currency, full(granted))).collect())
    }

    /// Counts a cost and returns what remains, or `None` if the currency is not budgeted. What remains may be negative,
    /// because the cost that exhausts a budget is counted in full.
    ///
    /// # Errors
    ///
    /// [`BudgetError::Amount`] for a negative cost, or one that a counter cannot hold exactly. The budget is then
    /// unchanged.
    pub fn spend(&mut self, currency: &str, cost: Amount) -> Result<Option<Amount>, BudgetError> {
        self.settle(currency, Amount::ZERO, cost)
    }

    /// Reserves an amount for an operation whose cost is not known yet, and returns what remains, or `None` if the currency
    /// is not budgeted (ours). [`settle`](Budget::settle) or [`release`](Budget::release) ends the reservation.
    ///
    /// ```
    /// use nuncio_core::budget::{Amount, Amounts, Budget, BudgetError, parse_amount};
    ///
    /// let mut granted = Amounts::new();
    /// let (usd, one) = parse_amount("USD:1.00")?;
    /// granted.add(usd, one)?;
    /// let mut budget = Budget::new(granted);
    ///
    /// let most = Amount::from_json_number("0.80")?;
    /// budget.reserve("USD", most)?;
    /// let refused = budget.reserve("USD", most);
    /// assert!(matches!(refused, Err(BudgetError::NotEnough { .. })));
    ///
    /// let remaining = budget.settle("USD", most, Amount::from_json_number("0.30")?)?;
    /// assert_eq!(remaining.unwrap().to_string(), "0.7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BudgetError::NotEnough`] for more than what remains, [`BudgetError::Amount`] for a negative amount, or if the
    /// counter could not be exact. The budget is then unchanged.
    pub fn reserve(&mut self, currency: &str, amount: Amount) -> Result<Option<Amount>, BudgetError> {
        if amount.is_negative() {
            return Err(AmountError::Negative.into());
        }
        let Some(counter) = self.0.get_mut(currency) else { return Ok(None) };
        if amount > counter.remaining {
            return Err(BudgetError::NotEnough { currency: Currency::parse(currency)?, remaining: counter.remaining });
        }
        counter.remaining = counter.remaining.exact_sub(amount)?;
        Ok(Some(counter.remaining))
    }

    /// Makes a reserved amount available again. It is rounded down if the sum has too many digits, as in
    /// [`give_back`](Budget::give_back).
    pub fn release(&mut self, currency: &str, reserved: Amount) {
        if let Some(counter) = self.0.get_mut(currency) {
            counter.remaining = counter.remaining.add_downwards(reserved);
        }
    }

    /// Counts the cost of an operation in place of the amount that was reserved for it, and returns what remains, or `None`
    /// if the currency is not budgeted. A cost above the reservation is counted in full, as in [`spend`](Budget::spend).
    ///
    /// # Errors
    ///
    /// As [`spend`](Budget::spend). The amount is still reserved then.
    pub fn settle(&mut self, currency: &str, reserved: Amount, cost: Amount) -> Result<Option<Amount>, BudgetError> {
        if cost.is_negative() {
            return Err(AmountError::Negative.into());
        }
        let Some(counter) = self.0.get_mut(currency) else {
            return Ok(None);
        };
        let spent = counter.spent.exact_add(cost)?;
        let remaining = counter.remaining.add_downwards(reserved).exact_sub(cost)?;
        *counter = Counter { granted: counter.granted, spent, remaining };
        Ok(Some(remaining))
    }

    /// Sets amounts aside for a delegated job (ours, §9.4).
    ///
    /// # Errors
    ///
    /// [`BudgetError::NotBudgeted`], [`BudgetError::MoreThanRemains`], and [`BudgetError::Amount`] if a counter could
    /// not be exact. All of them mean `LEASE_SUBSET_VIOLATION` and leave the budget unchanged.
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

    /// Takes back what an ended child has left of the amounts that were set aside for it, even if that is negative, and
    /// counts what the child spent as spent here. What the child has itself set aside stays set aside.
    ///
    /// The end of a job cannot be refused. A sum with too many digits is therefore rounded, up for what was spent and
    /// down for what remains, and a counter that would overflow saturates. Neither happens if the amounts and costs
    /// together span fewer than 28 digits.
    pub fn give_back(&mut self, child: &Budget) {
        for (currency, ended) in &child.0 {
            let Some(counter) = self.0.get_mut(currency) else {
                continue;
            };
            counter.spent = counter.spent.add_upwards(ended.spent);
            counter.remaining = counter.remaining.add_downwards(ended.remaining);
        }
    }

    /// Returns what remains in each currency, ordered by the bytes of the currency.
    pub fn remaining(&self) -> impl Iterator<Item = (&Currency, Amount)> {
        self.0.iter().map(|(currency, counter)| (currency, counter.remaining))
    }

    /// Returns what remains in this currency, or `None` if it is not budgeted.
    pub fn remaining_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.remaining)
    }

    /// Returns what was granted in this currency, or `None` if it is not budgeted.
    pub fn granted_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.granted)
    }

    /// Returns what the job and its ended children spent in this currency, or `None` if it is not budgeted.
    pub fn spent_of(&self, currency: &str) -> Option<Amount> {
        self.0.get(currency).map(|counter| counter.spent)
    }

    /// Returns the exhausted currencies: those whose counter is at or below zero (§9.6).
    pub fn exhausted(&self) -> impl Iterator<Item = &Currency> {
        self.exhausted_beside(|_| Amount::ZERO)
    }

    /// Returns the currencies that are exhausted for a job which has reserved these amounts itself.
    pub(crate) fn exhausted_beside(&self, own: impl Fn(&Currency) -> Amount) -> impl Iterator<Item = &Currency> {
        self.remaining().filter_map(move |(currency, remaining)| {
            let left = remaining.is_positive() || remaining.add_downwards(own(currency)).is_positive();
            (!left).then_some(currency)
        })
    }

    /// Returns a budget that was granted what remains of this one, which can be negative.
    pub(crate) fn remainder(&self) -> Budget {
        let amounts = self.remaining().map(|(currency, remaining)| (currency.clone(), remaining));
        Budget::new(Amounts(amounts.collect()))
    }

    /// Returns whether no currency is budgeted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what remains as a JSON object of numbers, such as `{"USD":3.58}`: exact decimals without an exponent or
    /// trailing zeros.
    pub fn to_json_numbers(&self) -> String {
        self.to_json(|out, _, remaining| write!(out, "{remaining}"))
    }

    /// Returns what remains as a JSON object of amount strings, such as `{"USD":"USD:3.58"}`: the form that the Python
    /// SDK 1.1.3 reads.
    pub fn to_json_amounts(&self) -> String {
        self.to_json(|out, currency, remaining| write!(out, "\"{currency}:{remaining}\""))
    }

    fn to_json(&self, value: impl Fn(&mut String, &Currency, Amount) -> fmt::Result) -> String {
        let mut out = String::from("{");
        for (index, (currency, remaining)) in self.remaining().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a String cannot fail, and a currency has no character that JSON escapes.
            let _ = write!(out, "{comma}\"{currency}\":");
            let _ = value(&mut out, currency, remaining);
        }
        out.push('}');
        out
    }

    /// Returns an upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.0.len().saturating_mul(2 * size_of::<(Currency, Counter)>() + Currency::MAX_BYTES)
    }
}

/// Why a cost was not counted, or why amounts were not reserved or set aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The amount, or a sum with it, cannot be held exactly.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The parent has no budget in this currency.
    #[error("the parent has no budget in {currency}")]
    NotBudgeted {
        /// The currency that the child asks for.
        currency: Currency,
    },
    /// More was to be reserved than what remains.
    #[error("{remaining} {currency} remain, which is less than the amount to reserve")]
    NotEnough {
        /// The currency.
        currency: Currency,
        /// What remains of it.
        remaining: Amount,
    },
    /// The child asks for more than what remains.
    #[error("the child asks for more {currency} than the {remaining} that remain")]
    MoreThanRemains {
        /// The currency.
        currency: Currency,
        /// What remains of it.
        remaining: Amount,
    },
}
