//! Reads records from any bytes.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Change, CoordinatorRecord, EdgeCreated, Receipt, SessionEnded, SessionOpened};
use crate::caracal::coordinator::ids::Uuid;
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, ZoneId};
use crate::caracal::wire::limits::EdgeLimits;
use crate::caracal::wire::request::spawn::{Generation, Ttl};
use crate::digest::Digest;
use crate::json::{Text, too_deep};
use crate::time::Time;

/// Why bytes are not a record that this version reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorRecordError {
    /// It was written by another version, whose records this one cannot read.
    #[error("the record has the version {0}, and this program reads version {version}", version = CoordinatorRecord::VERSION)]
    Version(u64),
    /// Its kind was added later under the same version. It can be skipped.
    #[error("the record is of the unknown kind {0:?}")]
    Unknown(String),
    /// It is cut off or overwritten, or was never a record.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

use CoordinatorRecordError::Damaged;

impl CoordinatorRecord {
    /// Reads a record that [`CoordinatorRecord::encode`] wrote. Unknown members are ignored.
    pub fn decode(bytes: &[u8]) -> Result<CoordinatorRecord, CoordinatorRecordError> {
        let text = core::str::from_utf8(bytes).map_err(|_| Damaged("it is not UTF-8".to_string()))?;
        if too_deep(text) {
            return Err(Damaged("it nests too deeply".to_string()));
        }
        let head: Head<'_> = read(text)?;
        if head.v != u64::from(CoordinatorRecord::VERSION) {
            return Err(CoordinatorRecordError::Version(head.v));
        }
        let change = match head.t.as_str() {
            "session_opened" => {
                let raw: RawSpawn<'_> = read(text)?;
                Change::Opened {
                    session: Arc::new(raw.session.facts()?),
                    inherited: raw.inherited.map(|edge| edge.facts().map(Arc::new)).transpose()?,
                    receipt: raw.receipt.map(|receipt| receipt.facts().map(Box::new)).transpose()?,
                }
            }
            "suspended" => {
                let raw: RawSuspended<'_> = read(text)?;
                Change::Suspended { sessions: ids(&raw.sessions)?, reason: raw.reason.as_str().into() }
            }
            "resumed" => {
                let raw: RawResumed<'_> = read(text)?;
                Change::Resumed { sessions: ids(&raw.sessions)?, until: time(raw.until)? }
            }
            "leased" => {
                let raw: RawLeased<'_> = read(text)?;
                Change::Leased { session: id(&raw.session)?, generation: raw.generation, until: time(raw.until)? }
            }
            "delegated" => {
                let raw: RawDelegated<'_> = read(text)?;
                Change::Delegated {
                    edge: Arc::new(raw.edge.facts()?),
                    receipt: raw.receipt.map(|receipt| receipt.facts().map(Box::new)).transpose()?,
                }
            }
            "ended" => {
                let raw: RawEnded<'_> = read(text)?;
                let sessions = raw.sessions.iter().map(|session| {
                    let reason = session.reason.as_str().into();
                    Ok(SessionEnded { id: id(&session.id)?, expired: session.expired, reason })
                });
                Change::Ended {
                    sessions: sessions.collect::<Result<_, _>>()?,
                    edges: ids(&raw.edges)?,
                    epoch: raw.epoch,
                }
            }
            "expired" => {
                let raw: RawExpired<'_> = read(text)?;
                Change::Expired { edges: ids(&raw.edges)? }
            }
            "forgotten" => {
                let raw: RawForgotten<'_> = read(text)?;
                Change::Forgotten { sessions: ids(&raw.sessions)?, edges: ids(&raw.edges)?, epoch: raw.epoch }
            }
            other => return Err(CoordinatorRecordError::Unknown(other.chars().take(64).collect())),
        };
        let zone = ZoneId::new(head.zone.as_str()).map_err(|_| damaged("zone"))?;
        let wall = head.wall.unwrap_or(head.at);
        Ok(CoordinatorRecord { zone, at: time(head.at)?, wall: time(wall)?, change })
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, CoordinatorRecordError> {
    // The error names the place alone, because the text may hold metadata.
    serde_json::from_str(text).map_err(|error| Damaged(alloc::format!("at column {}", error.column())))
}

fn damaged(what: &str) -> CoordinatorRecordError {
    Damaged(alloc::format!("its member {what} makes no sense"))
}

/// A restored coordinator starts no earlier than its latest record, so a record must not have a time after which no
/// deadline ever passes.
fn time(micros: u64) -> Result<Time, CoordinatorRecordError> {
    const YEAR_10000: u64 = 253_402_300_800_000_000;
    if micros < YEAR_10000 { Ok(Time(micros)) } else { Err(damaged("at")) }
}

fn id(text: &Text<'_>) -> Result<Uuid, CoordinatorRecordError> {
    Uuid::parse(text.as_str()).ok_or_else(|| damaged("id"))
}

fn ids(texts: &[Text<'_>]) -> Result<Vec<Uuid>, CoordinatorRecordError> {
    texts.iter().map(id).collect()
}

fn texts(texts: &[Text<'_>]) -> Vec<Box<str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn application(text: &Text<'_>) -> Result<ApplicationId, CoordinatorRecordError> {
    ApplicationId::new(text.as_str()).map_err(|_| damaged("application"))
}

fn digest(text: &Text<'_>) -> Result<Digest, CoordinatorRecordError> {
    let bytes = STANDARD_NO_PAD.decode(text.as_str()).ok();
    bytes.and_then(|bytes| Digest::try_from(bytes).ok()).ok_or_else(|| damaged("receipt"))
}

#[derive(Deserialize)]
struct Head<'a> {
    v: u64,
    #[serde(borrow)]
    t: Text<'a>,
    #[serde(borrow)]
    zone: Text<'a>,
    at: u64,
    wall: Option<u64>,
}

#[derive(Deserialize)]
struct RawSpawn<'a> {
    #[serde(borrow)]
    session: RawSession<'a>,
    #[serde(borrow)]
    inherited: Option<RawEdge<'a>>,
    #[serde(borrow)]
    receipt: Option<RawReceipt<'a>>,
}

#[derive(Deserialize)]
struct RawSuspended<'a> {
    #[serde(borrow)]
    sessions: Vec<Text<'a>>,
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Deserialize)]
struct RawResumed<'a> {
    #[serde(borrow)]
    sessions: Vec<Text<'a>>,
    until: u64,
}

#[derive(Deserialize)]
struct RawLeased<'a> {
    #[serde(borrow)]
    session: Text<'a>,
    generation: u64,
    until: u64,
}

#[derive(Deserialize)]
struct RawDelegated<'a> {
    #[serde(borrow)]
    edge: RawEdge<'a>,
    #[serde(borrow)]
    receipt: Option<RawReceipt<'a>>,
}

#[derive(Deserialize)]
struct RawEnded<'a> {
    #[serde(borrow)]
    sessions: Vec<RawEnd<'a>>,
    #[serde(borrow)]
    edges: Vec<Text<'a>>,
    epoch: u64,
}

#[derive(Deserialize)]
struct RawEnd<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    expired: bool,
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Deserialize)]
struct RawExpired<'a> {
    #[serde(borrow)]
    edges: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct RawForgotten<'a> {
    #[serde(borrow)]
    sessions: Vec<Text<'a>>,
    #[serde(borrow)]
    edges: Vec<Text<'a>>,
    epoch: u64,
}

#[derive(Deserialize)]
struct RawSession<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    application: Text<'a>,
    #[serde(borrow)]
    parent: Option<Text<'a>>,
    #[serde(borrow)]
    authority: Text<'a>,
    service: bool,
    #[serde(borrow, default)]
    labels: Vec<Text<'a>>,
    depth: u32,
    ttl: Option<u32>,
    #[serde(borrow)]
    metadata: &'a RawValue,
    at: u64,
    lease_until: Option<u64>,
}

impl RawSession<'_> {
    fn facts(self) -> Result<SessionOpened, CoordinatorRecordError> {
        let metadata = self.metadata.get();
        if !metadata.starts_with('{') || self.ttl.is_some_and(|secs| Ttl::from_secs(secs).is_none()) {
            return Err(damaged("session"));
        }
        // A service has a lease and no lifetime; a task has a lifetime and no lease.
        if self.service == self.ttl.is_some() || self.service != self.lease_until.is_some() {
            return Err(damaged("session"));
        }
        Ok(SessionOpened {
            id: id(&self.id)?,
            application: application(&self.application)?,
            parent: self.parent.as_ref().map(id).transpose()?,
            authority: AuthorityId::new(self.authority.as_str()).map_err(|_| damaged("authority"))?,
            is_service: self.service,
            labels: texts(&self.labels),
            depth: self.depth,
            ttl_secs: self.ttl,
            metadata: metadata.into(),
            at: time(self.at)?,
            lease_until: self.lease_until.map(time).transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct RawEdge<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow)]
    target: Text<'a>,
    #[serde(borrow)]
    issuer: Text<'a>,
    #[serde(borrow)]
    receiver: Text<'a>,
    #[serde(borrow)]
    parent: Option<Text<'a>>,
    #[serde(borrow)]
    resource: Option<Text<'a>>,
    #[serde(borrow)]
    scopes: Vec<Text<'a>>,
    #[serde(borrow)]
    limits: &'a RawValue,
    head: bool,
    hops: u32,
    expires_at: u64,
    at: u64,
    epoch: u64,
}

impl RawEdge<'_> {
    fn facts(self) -> Result<EdgeCreated, CoordinatorRecordError> {
        let generation = if self.head { Generation::Head } else { Generation::May };
        let limits = EdgeLimits::parse(self.limits.get(), generation).map_err(|_| damaged("limits"))?;
        Ok(EdgeCreated {
            id: id(&self.id)?,
            source: id(&self.source)?,
            target: id(&self.target)?,
            issuer: application(&self.issuer)?,
            receiver: application(&self.receiver)?,
            parent: self.parent.as_ref().map(id).transpose()?,
            resource: self.resource.map(|resource| resource.as_str().into()),
            scopes: texts(&self.scopes),
            limits,
            hops: self.hops,
            expires_at: time(self.expires_at)?,
            at: time(self.at)?,
            epoch: self.epoch,
        })
    }
}

#[derive(Deserialize)]
struct RawReceipt<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    request: Text<'a>,
    #[serde(borrow)]
    body: Text<'a>,
    expires_at: u64,
}

impl RawReceipt<'_> {
    fn facts(self) -> Result<Receipt, CoordinatorRecordError> {
        Ok(Receipt {
            key: digest(&self.key)?,
            request: digest(&self.request)?,
            body: self.body.as_str().into(),
            expires_at: time(self.expires_at)?,
        })
    }
}
