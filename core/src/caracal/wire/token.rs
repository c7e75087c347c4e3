//! Bearer tokens and the `Authorization` header (§1.3).

use alloc::sync::Arc;

use super::header::{self, HeaderValue, InvalidHeader};
use crate::secret::Secret;
use crate::time::Time;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

const SCHEME: &str = "Bearer ";

/// A bearer token: 1 to 8185 printable ASCII characters, so that it can be sent as a header. It is not part of its
/// `Debug` form.
///
/// ```
/// use nuncio_core::caracal::BearerToken;
///
/// let token = BearerToken::from_authorization("bearer  abc ").unwrap();
/// assert_eq!(token.to_authorization().expose(), "Bearer abc");
/// assert_eq!(format!("{token:?}"), "BearerToken { header: Secret }");
/// assert!(BearerToken::new("two\r\nlines").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct BearerToken {
    /// The value of the header, which each call of a context has. Copies of a secret are wiped when they are dropped, which
    /// takes longer than all the rest of such a call.
    header: Arc<Secret>,
}

impl BearerToken {
    /// The maximum length of a token, in bytes.
    pub const MAX_BYTES: usize = header::MAX_VALUE_BYTES - SCHEME.len();

    /// Checks a text and returns it as a token.
    pub fn new(text: &str) -> Result<BearerToken, InvalidHeader> {
        Self::check(text)?;
        Ok(BearerToken { header: Arc::new(Secret::new([SCHEME, text].concat())) })
    }

    fn check(text: &str) -> Result<(), InvalidHeader> {
        header::check(text)?;
        if text.len() > Self::MAX_BYTES { Err(InvalidHeader::TooLong) } else { Ok(()) }
    }

    /// Reads the value of an `Authorization` header: `Bearer` in any case, a space, and the token, around which white
    /// space is dropped. Returns `None` for any other scheme and for a token that could not be sent on.
    pub fn from_authorization(value: &str) -> Option<BearerToken> {
        let (scheme, token) = value.split_at_checked(SCHEME.len())?;
        if scheme == SCHEME && Self::check(token).is_ok() {
            // It is written as it is sent on.
            return Some(BearerToken { header: Arc::new(Secret::new(value)) });
        }
        let token = token.trim_matches([' ', '\t']);
        scheme.eq_ignore_ascii_case(SCHEME).then(|| BearerToken::new(token).ok()).flatten()
    }

    /// Returns the value of an `Authorization` header.
    pub fn to_authorization(&self) -> HeaderValue {
        HeaderValue::hidden(Arc::clone(&self.header))
    }

    /// Returns the text. It must not be logged.
    pub fn expose(&self) -> &str {
        self.header.expose().get(SCHEME.len()..).unwrap_or_default()
    }

    /// Returns whether this is a clone of the other token, or the other way round. Their texts are not compared, which takes
    /// longer.
    pub fn is_same(&self, other: &BearerToken) -> bool {
        Arc::ptr_eq(&self.header, &other.header)
    }

    /// Returns when the token expires, if it is a JSON Web Token with a numeric `exp`. The signature is not verified.
    pub fn expires_at(&self) -> Option<Time> {
        #[derive(Deserialize)]
        struct Claims {
            exp: f64,
        }
        let mut parts = self.expose().split('.');
        let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let seconds = claims.exp.max(0.0);
        // A cast from a float saturates. Whole seconds are exact up to 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
        let seconds = seconds as u64;
        Some(Time(0).plus_secs(seconds))
    }
}

impl PartialEq for BearerToken {
    fn eq(&self, other: &BearerToken) -> bool {
        self.is_same(other) || self.header == other.header
    }
}

impl Eq for BearerToken {}
