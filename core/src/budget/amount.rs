//! [`Currency`] and [`Amount`]: units, exact decimals, and their texts.

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// A currency, or any other unit that a runtime budgets: `[A-Za-z][A-Za-z0-9_-]*` (§9.6), at most 32 bytes (ours),
/// case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(Box<str>);

impl Currency {
    /// The length of the longest currency, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Parses a currency.
    ///
    /// # Errors
    ///
    /// [`AmountError::Currency`] for a malformed one.
    pub fn parse(text: &str) -> Result<Currency, AmountError> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let goes_on_well = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if starts_well && goes_on_well && text.len() <= Self::MAX_BYTES {
            Ok(Currency(text.into()))
        } else {
            Err(AmountError::Currency)
        }
    }

    /// Returns the currency as it is written.
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

/// An exact decimal without trailing zeros, written in plain decimal notation.
///
/// A parsed amount is never negative; what remains of a budget can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Decimal);

impl Amount {
    /// Zero.
    pub const ZERO: Amount = Amount(Decimal::ZERO);

    /// Parses the text of a JSON number. Exponents are allowed (`1e-2`), and `-0` is zero.
    ///
    /// # Errors
    ///
    /// [`AmountError::NotANumber`] for any other text, [`AmountError::Negative`], and [`AmountError::Overflow`] or
    /// [`AmountError::TooManyDigits`] for a number that an amount cannot hold exactly.
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

    /// Parses the text of a JSON number, which may be negative: what remains of a budget.
    pub(crate) fn from_signed(text: &str) -> Result<Amount, AmountError> {
        match text.strip_prefix('-') {
            Some(unsigned) => Amount::from_json_number(unsigned).map(|amount| Amount(-amount.0)),
            None => Amount::from_json_number(text),
        }
    }

    /// Returns whether the amount is greater than zero.
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    pub(super) fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    pub(super) fn exact_add(self, other: Amount) -> Result<Amount, AmountError> {
        let sum = self.0.checked_add(other.0).ok_or(AmountError::Overflow)?;
        // The library rounds a sum that does not fit. A rounded sum has a smaller scale.
        if sum.scale() < self.0.scale().max(other.0.scale()) {
            return Err(AmountError::TooManyDigits);
        }
        Ok(Amount(sum.normalize()))
    }

    pub(super) fn exact_sub(self, other: Amount) -> Result<Amount, AmountError> {
        self.exact_add(Amount(-other.0))
    }

    /// Returns the sum, rounded up if it has too many digits, and at most the largest amount.
    pub(super) fn add_upwards(self, other: Amount) -> Amount {
        self.rounded_add(other, RoundingStrategy::ToPositiveInfinity).unwrap_or(Amount(Decimal::MAX))
    }

    /// Returns the sum, rounded down if it has too many digits, and at least the smallest amount.
    pub(crate) fn add_downwards(self, other: Amount) -> Amount {
        self.rounded_add(other, RoundingStrategy::ToNegativeInfinity).unwrap_or(Amount(Decimal::MIN))
    }

    fn rounded_add(self, other: Amount, rounding: RoundingStrategy) -> Option<Amount> {
        (0..=Decimal::MAX_SCALE).rev().find_map(|places| {
            let rounded = |amount: Amount| Amount(amount.0.round_dp_with_strategy(places, rounding).normalize());
            rounded(self).exact_add(rounded(other)).ok()
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Parses an amount string of a `cost.budget` list: `currency:digits[.digits]` (§9.6).
///
/// # Errors
///
/// [`AmountError::Syntax`], [`AmountError::Currency`], and [`AmountError::Overflow`] or [`AmountError::TooManyDigits`]
/// for a decimal that an amount cannot hold exactly.
pub fn parse_amount(text: &str) -> Result<(Currency, Amount), AmountError> {
    let (currency, decimal) = text.split_once(':').ok_or(AmountError::Syntax)?;
    let currency = Currency::parse(currency)?;
    let (integer, fraction) = split_digits(decimal).ok_or(AmountError::Syntax)?;
    Ok((currency, Amount(exact_decimal(integer, fraction, 0)?)))
}

/// Why a text is not an amount, or a sum cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// A budget entry is not `currency:digits[.digits]`.
    #[error("an amount has the form currency:digits[.digits]")]
    Syntax,
    /// A currency is not `[A-Za-z][A-Za-z0-9_-]*` of at most 32 bytes.
    #[error("a currency is a letter followed by letters, digits, underscores and hyphens, at most 32 bytes")]
    Currency,
    /// The value of a metric is not a JSON number.
    #[error("the value is not a JSON number")]
    NotANumber,
    /// The value is below zero.
    #[error("the amount is negative")]
    Negative,
    /// The integer part is too large to be held.
    #[error("the amount is too large")]
    Overflow,
    /// The value could only be held after rounding.
    #[error("the amount has too many digits to be held exactly")]
    TooManyDigits,
}

/// Splits `digits[.digits]`. Without a point the fraction is empty.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let (integer, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (!integer.is_empty() && digits(integer) && digits(fraction)).then_some((integer, fraction))
}

/// Parses `[+-]digits`, saturating.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// Returns `integer.fraction × 10^exponent`. Both parts are any number of ASCII digits.
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

/// The number of digits of 2^96.
const MAX_DIGITS: i64 = 29;
