//! The form of a token exchange (§1.2).

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::reply::Refused;
use crate::caracal::wire::request::read::pairs;
use crate::caracal::wire::request::token::GRANT_TYPE;
use crate::secret::Secret;

/// Scopes and resources of a request.
const MAX_ITEMS: usize = 64;
/// Bytes of each.
const MAX_ITEM_BYTES: usize = 512;

/// A request for a token.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) zone: String,
    pub(super) application: String,
    pub(super) secret: Secret,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) resources: Vec<Box<str>>,
    pub(super) ttl_secs: Option<u64>,
    /// Whether the token is to be of an agent session.
    pub(super) names_session: bool,
}

impl Exchange {
    pub(super) fn read(body: &[u8]) -> Result<Exchange, Refused> {
        let text = core::str::from_utf8(body).map_err(|_| Refused::Form)?;
        let fields = Fields(pairs(text).ok_or(Refused::Form)?);
        if fields.one("grant_type")?.ok_or(Refused::Missing("grant_type"))? != GRANT_TYPE {
            return Err(Refused::GrantType);
        }
        if fields.one("subject_token")?.is_some() || fields.one("delegation_edge_id")?.is_some() {
            return Err(Refused::Unsupported);
        }
        let required = |name| fields.one(name)?.filter(|value| !value.is_empty()).ok_or(Refused::Missing(name));
        let scope = fields.one("scope")?.unwrap_or_default();
        let ttl_secs = match fields.one("ttl_seconds")? {
            Some(text) => Some(text.parse().map_err(|_| Refused::Lifetime)?),
            None => None,
        };
        Ok(Exchange {
            zone: required("zone_id")?.to_owned(),
            application: required("application_id")?.to_owned(),
            secret: Secret::new(required("client_secret")?),
            scopes: list(scope.split(' ').filter(|scope| !scope.is_empty()))?,
            resources: list(fields.all("resource").filter(|resource| !resource.is_empty()))?,
            ttl_secs,
            names_session: fields.one("agent_session_id")?.is_some(),
        })
    }
}

/// The fields of a form, without escapes.
struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Fields<'_> {
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(held, _)| *held == *name).map(|(_, value)| &**value)
    }

    /// Returns the value of a field that must not be repeated.
    fn one(&self, name: &'static str) -> Result<Option<&str>, Refused> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(Refused::Repeated(name)) } else { Ok(value) }
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Result<Vec<Box<str>>, Refused> {
    let mut list: Vec<Box<str>> = Vec::new();
    for item in items {
        if list.len() >= MAX_ITEMS || item.len() > MAX_ITEM_BYTES {
            return Err(Refused::TooMuch);
        }
        if !list.iter().any(|held| **held == *item) {
            list.push(item.into());
        }
    }
    Ok(list)
}

/// Returns the zone that the query of a request for public keys names.
pub(super) fn zone_of(query: &str) -> Result<Option<String>, Refused> {
    Ok(Fields(pairs(query).ok_or(Refused::Form)?).one("zone_id")?.map(ToOwned::to_owned))
}
