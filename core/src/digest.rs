//! SHA-256 digests: of secrets, and of JSON values.
//!
//! Two JSON values have the same digest if they are equal as values: the order of keys and the spelling of numbers and
//! escapes do not count, the order of arrays does. Submits that repeat an idempotency key are compared in this way
//! (§7.2).

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::json::{Members, Text};

/// A SHA-256 digest.
pub(crate) type Digest = [u8; 32];

/// Returns the digest of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Adds a member of an object to a digest. `None` is an absent member, which differs from every value.
pub(crate) fn member(hasher: &mut Sha256, name: &str, json: Option<&str>) {
    hasher.update(name.as_bytes());
    match json {
        Some(json) => {
            hasher.update([1]);
            hasher.update(value(json));
        }
        None => hasher.update([0]),
    }
}

/// Returns the digest of one valid JSON value. The caller has checked its nesting.
///
/// A string with a lone surrogate cannot be decoded. Values that contain one are equal only if their text is equal.
pub(crate) fn value(json: &str) -> Digest {
    let mut hasher = Sha256::new();
    match json.as_bytes().first() {
        Some(b'{') => {
            let Ok(mut members) = serde_json::from_str::<Members<'_>>(json) else {
                return sha256(json.as_bytes());
            };
            hasher.update(b"{");
            members.0.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, raw) in members.0 {
                hasher.update((key.as_str().len() as u64).to_be_bytes());
                hasher.update(key.as_str().as_bytes());
                hasher.update(value(raw.get()));
            }
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return sha256(json.as_bytes());
            };
            hasher.update(b"[");
            for raw in items {
                hasher.update(value(raw.get()));
            }
        }
        Some(b'"') => {
            hasher.update(b"\"");
            match serde_json::from_str::<Text<'_>>(json) {
                Ok(text) => hasher.update(text.as_str().as_bytes()),
                Err(_) => hasher.update(json.as_bytes()),
            }
        }
        Some(b'-' | b'0'..=b'9') => {
            hasher.update(b"#");
            hasher.update(number(json).as_bytes());
        }
        _ => hasher.update(json.as_bytes()),
    }
    hasher.finalize().into()
}

/// Returns the canonical spelling of a number: sign, significant digits, exponent.
fn number(text: &str) -> String {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return String::from("0");
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    // Numbers whose exponent does not fit are equal only if their text is equal.
    let sign = if negative { "-" } else { "" };
    let Ok(exponent) = exponent.parse::<i64>() else {
        return alloc::format!("{sign}{text}");
    };
    let shift = i64::try_from(trailing).unwrap_or(0) - i64::try_from(fraction.len()).unwrap_or(0);
    alloc::format!("{sign}{significant}e{}", exponent.saturating_add(shift))
}
