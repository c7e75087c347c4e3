//! JSON numbers as text.

use alloc::string::{String, ToString};

use serde_json::value::RawValue;

use super::invalid::InvalidBody;

/// A JSON number, kept as the text that it was written as.
///
/// Metrics and progress pass numbers on unchanged: `12408` stays `12408`, and no decimal becomes a binary float.
///
/// ```
/// use nuncio_core::arcp::Number;
///
/// assert_eq!(Number::from(3_u32).as_str(), "3");
/// assert_eq!(Number::parse("0.10").unwrap().as_str(), "0.10");
/// assert!(Number::parse("0x10").is_none());
/// assert!(Number::try_from(f64::NAN).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// Parses the JSON text of a number, such as `0.0234`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Number> {
        let number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        (number && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text))
            .then(|| Number(text.to_string()))
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the number is less than zero; `-0` is not.
    pub(super) fn is_negative(&self) -> bool {
        self.0.starts_with('-') && self.0.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(value.to_string())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number(value.to_string())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number(value.to_string())
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Number {
        Number(value.to_string())
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Number {
        Number(value.to_string())
    }
}

impl TryFrom<f64> for Number {
    type Error = InvalidBody;

    /// Converts a finite float; JSON has no NaN and no infinities.
    fn try_from(value: f64) -> Result<Number, InvalidBody> {
        serde_json::Number::from_f64(value)
            .map(|number| Number(number.to_string()))
            .ok_or_else(|| InvalidBody::new("NaN and infinities are not JSON numbers"))
    }
}

impl From<rust_decimal::Decimal> for Number {
    fn from(value: rust_decimal::Decimal) -> Number {
        Number(value.to_string())
    }
}
