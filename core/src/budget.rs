//! Exact money: [`Currency`], [`Amount`], [`Amounts`] and the counters of a [`Budget`] (§9.6).
//!
//! No amount is ever a binary float. Every amount is a decimal of at most 28 digits after the point and an integer
//! coefficient below 2^96 (about 28 digits in all). Arithmetic is exact or refused, with one documented exception
//! ([`Budget::give_back`]). Amounts are normalised: `5.00` is `5` wherever it is written.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt::{self, Write as _};

use rust_decimal::{Decimal, RoundingStrategy};

/// A currency, or any unit a runtime budgets: `[A-Za-z][A-Za-z0-9_-]*` (§9.6 `currency`), at most 32 bytes (ours).
/// Case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(Box<str>);

impl Currency {
    /// The longest currency, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Parses a currency, or [`AmountError::Currency`].
    pub fn parse(text: &str) -> Result<Currency, AmountError> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let goes_on_well = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if starts_well && goes_on_well && text.len() <= Self::MAX_BYTES {
            Ok(Currency(text.into()))
        } else {
            Err(AmountError::Currency)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Currency {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An exact decimal amount, normalised (no trailing zeros, no negative zero), written in plain decimal notation.
///
/// What is parsed is never negative; what remains of a budget can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Decimal);

impl Amount {
    /// Zero.
    pub const ZERO: Amount = Amount(Decimal::ZERO);

    /// Reads the raw text of a JSON number: exponents are allowed (`1e-2`), `-0` is zero.
    ///
    /// Errors: [`AmountError::NotANumber`] for what JSON has no number for, [`AmountError::Negative`],
    /// [`AmountError::Overflow`] and [`AmountError::TooManyDigits`] for what an amount cannot hold exactly.
    pub fn from_json_number(text: &str) -> Result<Amount, AmountError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or(AmountError::NotANumber)?),
            None => (unsigned, 0),
        };
        let (integer, fraction) = split_digits(mantissa).ok_or(AmountError::NotANumber)?;
        if integer.len() > 1 && integer.starts_with('0') {
            return Err(AmountError::NotANumber);
        }
        if negative && mantissa.contains(|digit| matches!(digit, '1'..='9')) {
            return Err(AmountError::Negative);
        }
        exact_decimal(integer, fraction, exponent).map(Amount)
    }

    /// Whether this is more than zero.
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    fn exact_add(self, other: Amount) -> Result<Amount, AmountError> {
        let sum = self.0.checked_add(other.0).ok_or(AmountError::Overflow)?;
        // A sum that does not fit is rounded by the library, to a smaller scale.
        if sum.scale() < self.0.scale().max(other.0.scale()) {
            return Err(AmountError::TooManyDigits);
        }
        Ok(Amount(sum.normalize()))
    }

    fn exact_sub(self, other: Amount) -> Result<Amount, AmountError> {
        self.exact_add(Amount(-other.0))
    }

    /// The exact sum, or, where it has too many digits, the nearest one that fits in the direction of `rounding`.
    fn rounded_add(self, other: Amount, rounding: RoundingStrategy) -> Option<Amount> {
        (0..=Decimal::MAX_SCALE).rev().find_map(|places| {
            let left = Amount(self.0.round_dp_with_strategy(places, rounding).normalize());
            let right = Amount(other.0.round_dp_with_strategy(places, rounding).normalize());
            left.exact_add(right).ok()
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Parses an amount string of a `cost.budget` list, `currency:digits[.digits]` (§9.6 `amount`).
///
/// Errors: [`AmountError::Syntax`], [`AmountError::Currency`], and [`AmountError::Overflow`] or
/// [`AmountError::TooManyDigits`] for what an amount cannot hold exactly.
pub fn parse_amount(text: &str) -> Result<(Currency, Amount), AmountError> {
    let (currency, decimal) = text.split_once(':').ok_or(AmountError::Syntax)?;
    let currency = Currency::parse(currency)?;
    let (integer, fraction) = split_digits(decimal).ok_or(AmountError::Syntax)?;
    Ok((currency, Amount(exact_decimal(integer, fraction, 0)?)))
}

/// Why a text is no amount, or a sum cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// A budget entry is not `currency:digits[.digits]`.
    #[error("an amount has the form currency:digits[.digits]")]
    Syntax,
    /// A currency is not `[A-Za-z][A-Za-z0-9_-]*` of at most 32 bytes.
    #[error("a currency is a letter followed by letters, digits, underscores and hyphens, at most 32 bytes")]
    Currency,
    /// A metric value is no JSON number.
    #[error("the value is not a JSON number")]
    NotANumber,
    /// The value is below zero.
    #[error("the amount is negative")]
    Negative,
    /// The integer part is too large to be held.
    #[error("the amount is too large")]
    Overflow,
    /// The value would have to be rounded to be held.
    #[error("the amount has too many digits to be held exactly")]
    TooManyDigits,
}

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
        let Some(counter) = self.0.get_mut(currency) else { return Ok(None) };
        let spent = counter.spent.exact_add(cost)?;
        let remaining = counter.remaining.exact_sub(cost)?;
        *counter = Counter { granted: counter.granted, spent, remaining };
        Ok(Some(remaining))
    }

    /// Sets the amounts of a child aside (ours, §9.4).
    ///
    /// Errors, all of which change nothing and mean LEASE_SUBSET_VIOLATION: [`BudgetError::NotBudgeted`],
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
            let Some(counter) = self.0.get_mut(currency) else { continue };
            counter.spent = counter
                .spent
                .rounded_add(ended.spent, RoundingStrategy::ToPositiveInfinity)
                .unwrap_or(Amount(Decimal::MAX));
            counter.remaining = counter
                .remaining
                .rounded_add(ended.remaining, RoundingStrategy::ToNegativeInfinity)
                .unwrap_or(Amount(Decimal::MIN));
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

    /// A currency of which nothing remains (§9.6: any counter ≤ 0), if there is one.
    pub fn exhausted(&self) -> Option<&Currency> {
        self.remaining().find_map(|(currency, remaining)| (!remaining.is_positive()).then_some(currency))
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

/// Splits `digits[.digits]`; the fraction is empty if there is no point.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let (integer, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (!integer.is_empty() && digits(integer) && digits(fraction)).then_some((integer, fraction))
}

/// Reads `[+-]digits`, saturating.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// `integer.fraction × 10^exponent`, exactly. Both parts are ASCII digits, of any number.
fn exact_decimal(integer: &str, fraction: &str, exponent: i64) -> Result<Decimal, AmountError> {
    let digits = [integer, fraction].concat();
    let significant = digits.trim_end_matches('0');
    let trailing_zeros = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let as_i64 = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let scale = as_i64(fraction.len()).saturating_sub(as_i64(trailing_zeros)).saturating_sub(exponent);
    let integer_digits = as_i64(significant.len()).saturating_sub(scale);
    if integer_digits > MAX_DIGITS {
        return Err(AmountError::Overflow);
    }
    if as_i64(significant.len()) > MAX_DIGITS || scale > i64::from(Decimal::MAX_SCALE) {
        return Err(AmountError::TooManyDigits);
    }
    let too_much = if scale <= 0 { AmountError::Overflow } else { AmountError::TooManyDigits };
    let coefficient: i128 = significant.parse().map_err(|_| too_much)?;
    let (shift, scale) = (u32::try_from(-scale).unwrap_or(0), u32::try_from(scale).unwrap_or(0));
    let coefficient = 10_i128.checked_pow(shift).and_then(|power| coefficient.checked_mul(power)).ok_or(too_much)?;
    Decimal::try_from_i128_with_scale(coefficient, scale).map_err(|_| too_much)
}

/// The digits of 2^96.
const MAX_DIGITS: i64 = 29;
