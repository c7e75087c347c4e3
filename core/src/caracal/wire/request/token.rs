//! `POST /oauth/2/token`: exchanges a client secret for a token (§1.2).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::spawn::Ttl;
use super::{Method, Request};
use crate::caracal::wire::header::{Header, HeaderValue};
use crate::caracal::wire::ids::{ApplicationId, ZoneId};
use crate::caracal::wire::percent::push_form;
use crate::secret::Secret;

/// The grant type of a token exchange.
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The scope of tokens for a coordinator.
pub const LIFECYCLE_SCOPE: &str = "agent:lifecycle";

/// A token to request from the token service (STS) of a zone. The secret is not part of its `Debug` form.
///
/// ```
/// use nuncio_core::caracal::{ApplicationId, Secret, TokenExchange, ZoneId};
///
/// let exchange = TokenExchange {
///     zone: ZoneId::new("z1")?,
///     application: ApplicationId::new("app-a")?,
///     secret: Secret::new("s&cret"),
///     scope: "agent:lifecycle".into(),
///     resources: vec!["resource://a".into()],
///     ttl: None,
/// };
/// let request = exchange.request();
/// assert_eq!(request.path(), "/oauth/2/token");
/// assert!(request.body().unwrap().ends_with(
///     "&client_secret=s%26cret&scope=agent%3Alifecycle&resource=resource%3A%2F%2Fa"
/// ));
/// # Ok::<(), nuncio_core::caracal::InvalidId>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenExchange {
    /// The zone.
    pub zone: ZoneId,
    /// The application.
    pub application: ApplicationId,
    /// The client secret of the application.
    pub secret: Secret,
    /// The scopes of the token, separated by spaces. [`LIFECYCLE_SCOPE`] is that of a coordinator.
    pub scope: Box<str>,
    /// The resources that the token is for.
    pub resources: Vec<Box<str>>,
    /// The lifetime of the token (`ttl_seconds`). Without it the token service decides.
    pub ttl: Option<Ttl>,
}

impl TokenExchange {
    /// Writes the request. Its body is a form that holds the client secret.
    pub fn request(&self) -> Request {
        let fields = [
            ("grant_type", GRANT_TYPE),
            ("zone_id", self.zone.as_str()),
            ("application_id", self.application.as_str()),
            ("client_secret", self.secret.expose()),
            ("scope", &self.scope),
        ];
        let resources = self.resources.iter().map(|resource| ("resource", &**resource));
        let ttl = self.ttl.map(|ttl| alloc::format!("{}", ttl.secs()));
        let more = resources.chain(ttl.as_deref().map(|secs| ("ttl_seconds", secs)));
        // A reallocation would leave a copy of the secret behind.
        let bytes =
            |(name, value): (&str, &str)| name.len().saturating_add(value.len().saturating_mul(3)).saturating_add(2);
        let capacity = fields.into_iter().chain(more.clone()).map(bytes).sum();
        let mut form = Zeroizing::new(String::with_capacity(capacity));
        for (name, value) in fields.into_iter().chain(more) {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            push_form(&mut form, value);
        }
        let mut request = Request::new(Method::Post, String::from("/oauth/2/token"));
        request.body = Some(form);
        let content_type = HeaderValue::trusted("application/x-www-form-urlencoded");
        request.with(Header::new("content-type", content_type))
    }
}
