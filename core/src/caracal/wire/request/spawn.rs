//! `POST /zones/{zone}/agents`: opens an agent session (§1.1).

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use core::fmt;

use serde_json::value::RawValue;

use super::{Method, Request, zone_path};
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, SessionId, ZoneId};
use crate::json::{MAX_DEPTH, Object, too_deep};

/// The generation of a coordinator. Requests are sent in the form of the older one unless they need the newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// The coordinators of the SDK 0.1: sessions have a kind, and no leases.
    #[default]
    May,
    /// The coordinators of the SDK 1.0: sessions have a lifecycle, and services hold leases.
    Head,
}

/// The kind of an agent session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A long-running service, which is not terminated at the end of its scope.
    Service,
    /// An instance of an agent.
    #[default]
    Instance,
    /// A short task.
    Ephemeral,
}

impl Kind {
    /// Returns the `kind` of the SDK 0.1.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Instance => "instance",
            Kind::Ephemeral => "ephemeral",
        }
    }

    /// Returns the `lifecycle` of the SDK 1.0.
    pub const fn lifecycle(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Instance | Kind::Ephemeral => "task",
        }
    }
}

/// A lifetime of 1 to 86400 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u32);

impl Ttl {
    /// The longest lifetime: one day.
    pub const MAX: Ttl = Ttl(86_400);

    /// Returns a lifetime in seconds. Returns `None` for 0 and for more than a day, which coordinators refuse.
    pub const fn from_secs(secs: u32) -> Option<Ttl> {
        if secs == 0 || secs > Self::MAX.0 { None } else { Some(Ttl(secs)) }
    }

    /// Returns the number of seconds.
    pub const fn secs(self) -> u32 {
        self.0
    }
}

/// Why JSON text is not the metadata of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// It is not a JSON object.
    #[error("metadata must be a JSON object")]
    NotAnObject,
    /// It nests deeper than 64 levels.
    #[error("metadata must not nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// The metadata of a session: a JSON object. Its content is not part of its `Debug` form.
#[derive(Clone)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// Checks JSON text and returns it as metadata.
    pub fn new(json: &str) -> Result<Metadata, InvalidMetadata> {
        if too_deep(json) {
            return Err(InvalidMetadata::TooDeep);
        }
        let value: &RawValue = serde_json::from_str(json).map_err(|_| InvalidMetadata::NotAnObject)?;
        if value.get().starts_with('{') { Ok(Metadata(value.to_owned())) } else { Err(InvalidMetadata::NotAnObject) }
    }

    /// Returns the JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    fn is_empty(&self) -> bool {
        self.get().trim_start_matches('{').trim_start().starts_with('}')
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("bytes", &self.get().len()).finish()
    }
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The application that the session belongs to.
    pub application: ApplicationId,
    /// The kind of the session.
    pub kind: Kind,
    /// The authority record of the subject (`session_sid`, since 1.0.0 `subject_session_id`). Without it the coordinator
    /// takes that of the token.
    pub authority: Option<AuthorityId>,
    /// The session above it.
    pub parent: Option<SessionId>,
    /// The lifetime. Coordinators take an hour without it.
    pub ttl: Option<Ttl>,
    /// Metadata. An empty object is not sent.
    pub metadata: Option<Metadata>,
}

impl Spawn {
    /// Creates a session of the default kind with nothing else set.
    pub fn new(application: ApplicationId) -> Spawn {
        Spawn { application, kind: Kind::default(), authority: None, parent: None, ttl: None, metadata: None }
    }

    /// Writes the request.
    pub(crate) fn request(&self, generation: Generation, zone: &ZoneId) -> Request {
        let body = Object::new().text("application_id", self.application.as_str());
        let authority = self.authority.as_ref().map(AuthorityId::as_str);
        let body = match generation {
            Generation::May => body.plain("kind", self.kind.as_str()).opt_text("session_sid", authority),
            Generation::Head => {
                body.plain("lifecycle", self.kind.lifecycle()).opt_text("subject_session_id", authority)
            }
        };
        let metadata = self.metadata.as_ref().filter(|metadata| !metadata.is_empty());
        let body = body
            .opt_text("parent_id", self.parent.as_ref().map(SessionId::as_str))
            .opt_value("ttl_seconds", self.ttl.map(Ttl::secs))
            .opt_json("metadata", metadata.map(Metadata::get));
        Request::new(Method::Post, zone_path(zone, ["agents"])).with_json(body.close())
    }

    /// Returns the number of bytes of the metadata.
    pub(crate) fn bytes_held(&self) -> usize {
        self.metadata.as_ref().map_or(0, |metadata| metadata.get().len())
    }
}
