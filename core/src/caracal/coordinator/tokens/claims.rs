//! The claims of a token (§2.6).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use super::config::TokenServiceConfig;
use crate::caracal::coordinator::event::Principal;
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, ZoneId};
use crate::caracal::wire::request::spawn::Generation;
use crate::json::{Object, Text, strings};
use crate::time::Time;

/// The claims of a token for a coordinator, or of a mandate for resources.
pub(super) struct Claims {
    pub(super) issuer: Box<str>,
    pub(super) zone: ZoneId,
    pub(super) application: ApplicationId,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) generation: Generation,
    pub(super) issued_at: u64,
    pub(super) expires_at: u64,
    pub(super) id: String,
    pub(super) targets: Vec<Box<str>>,
    /// Whether it is for the targets, and not for the coordinator.
    pub(super) is_mandate: bool,
}

/// What a token for a coordinator is for, in the word of its generation.
const fn purpose(generation: Generation) -> &'static str {
    match generation {
        Generation::May => "ambient",
        Generation::Head => "session",
    }
}

/// What a mandate is for.
const fn mandate_purpose(generation: Generation) -> &'static str {
    match generation {
        Generation::May => "per_call",
        Generation::Head => "resource",
    }
}

impl Claims {
    /// Writes the claims. The authority record of an application (`sid`) has the name of the application.
    pub(super) fn write(&self) -> String {
        let application = self.application.as_str();
        let is_head = self.generation == Generation::Head;
        let targets = strings(self.targets.iter().map(|target| &**target));
        let (audience, purpose) = if self.is_mandate {
            (targets.clone(), mandate_purpose(self.generation))
        } else {
            (strings([&*self.issuer].into_iter()), purpose(self.generation))
        };
        Object::with_capacity(512)
            .text("iss", &self.issuer)
            .text("sub", application)
            .json("aud", &audience)
            .value("exp", self.expires_at)
            .value("iat", self.issued_at)
            .text("jti", &self.id)
            .text("zone_id", self.zone.as_str())
            .text("client_id", application)
            .text("scope", &self.scope())
            .text("sid", application)
            .opt_text("root_sid", is_head.then_some(application))
            .text("use", purpose)
            .text("sub_type", "application")
            .json("target", &targets)
            .close()
    }

    pub(super) fn scope(&self) -> String {
        self.scopes.join(" ")
    }

    pub(super) fn lifetime(&self) -> u64 {
        self.expires_at.saturating_sub(self.issued_at)
    }
}

/// Returns a time in whole seconds, as claims have it.
pub(super) const fn unix_secs(time: Time) -> u64 {
    time.millis() / 1_000
}

/// Returns the bearer of a token whose signature was verified, unless the token is not for this service or not valid now.
pub(super) fn principal(claims: &[u8], config: &TokenServiceConfig, now: Time) -> Option<Principal> {
    #[derive(Deserialize)]
    struct Read<'a> {
        #[serde(borrow)]
        iss: Text<'a>,
        #[serde(borrow)]
        sub: Text<'a>,
        #[serde(borrow)]
        aud: Vec<Text<'a>>,
        exp: u64,
        iat: u64,
        #[serde(borrow)]
        zone_id: Text<'a>,
        #[serde(borrow)]
        client_id: Text<'a>,
        #[serde(borrow)]
        scope: Text<'a>,
        #[serde(borrow)]
        sid: Text<'a>,
        #[serde(borrow, rename = "use")]
        purpose: Text<'a>,
    }
    let read: Read<'_> = serde_json::from_slice(claims).ok()?;
    let (now, leeway) = (unix_secs(now), config.leeway.as_secs());
    let is_ours = read.iss.as_str() == &*config.issuer && read.aud.iter().any(|aud| aud.as_str() == &*config.issuer);
    let is_now = read.exp.saturating_add(leeway) > now && read.iat <= now.saturating_add(leeway);
    if !is_ours || !is_now || read.purpose.as_str() != purpose(config.generation) {
        return None;
    }
    Some(Principal {
        zone: ZoneId::new(read.zone_id.as_str()).ok()?,
        application: ApplicationId::new(read.client_id.as_str()).ok()?,
        subject: read.sub.as_str().into(),
        scopes: read.scope.as_str().split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect(),
        authority: Some(AuthorityId::new(read.sid.as_str()).ok()?),
    })
}
