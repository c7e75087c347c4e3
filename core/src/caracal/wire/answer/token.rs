//! The answer of a token service (§1.2).

use core::time::Duration;

use serde::Deserialize;

use super::fault::CoordinatorFault;
use super::{MalformedAnswer, parse};
use crate::caracal::wire::token::BearerToken;
use crate::json::Text;
use crate::time::Time;

/// The lifetime of a token that does not say when it expires.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);

/// A token that a token service has issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: BearerToken,
    /// When it expires: by its own claim `exp`, else by `expires_in`, else in ten minutes.
    pub expires_at: Time,
}

/// Why a token service issued no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It refused the request.
    #[error("the token service refused the exchange: it answered {}", .0.answer())]
    Refused(CoordinatorFault),
    /// Its answer cannot be read.
    #[error("the token service's answer cannot be read: {0}")]
    Malformed(&'static str),
}

impl IssuedToken {
    /// Reads the answer to a [`TokenExchange`](crate::caracal::TokenExchange) that arrived at `now`.
    ///
    /// ```
    /// use nuncio_core::caracal::IssuedToken;
    /// use nuncio_core::time::Time;
    ///
    /// let now = Time(1_779_000_000_000_000);
    /// let issued = IssuedToken::read(200, br#"{"access_token":"opaque","expires_in":300}"#, now)?;
    /// assert_eq!(issued.expires_at, now.plus_secs(300));
    /// # Ok::<(), nuncio_core::caracal::TokenError>(())
    /// ```
    pub fn read(status: u16, body: &[u8], now: Time) -> Result<IssuedToken, TokenError> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            access_token: Text<'a>,
            #[serde(default)]
            expires_in: Option<u64>,
        }
        if !(200..300).contains(&status) {
            return Err(TokenError::Refused(CoordinatorFault::read(status, body)));
        }
        let body: Body<'_> = parse(body).map_err(|MalformedAnswer(why)| TokenError::Malformed(why))?;
        let token = BearerToken::new(body.access_token.as_str())
            .map_err(|_| TokenError::Malformed("its token cannot be sent in a header"))?;
        let stated = body.expires_in.map(|secs| now.plus_secs(secs));
        let expires_at = token.expires_at().or(stated).unwrap_or_else(|| now.plus(DEFAULT_LIFETIME));
        Ok(IssuedToken { token, expires_at })
    }
}
