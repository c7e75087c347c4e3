//! Idempotency keys and their receipts (§2.2).
//!
//! A key belongs to the application and the kind of call that it is sent with. It is kept as its digest.

use alloc::string::String;
use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Coordinator;
use super::event::IncomingRequest;
use super::receipts::Purpose;
use super::record::Receipt;
use super::timers::ZoneKey;
use super::zone::Zone;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::ids::{ApplicationId, AuthorityId};
use crate::caracal::wire::request::read::spawn::SpawnBody;
use crate::digest::{Digest, member, sha256};

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// What the idempotency key of a spawn asks for.
pub(super) enum Key {
    /// Nothing: there is no key, or it does not identify the spawn.
    None,
    /// A session that already exists answers it (0.1).
    Merged(Reply),
    /// A key with this digest.
    Given(Digest),
}

/// Returns the digest of a JSON value, in which the order of members and the spelling of numbers do not count.
pub(super) fn digest(json: &str) -> Digest {
    let mut hasher = Sha256::new();
    member(&mut hasher, "request", Some(json));
    hasher.finalize().into()
}

/// Returns the key that the SDK 0.1.1 derives for a spawn: the same for all children of a parent.
fn derived(body: &SpawnBody) -> String {
    let authority = body.authority.as_ref().map_or("", AuthorityId::as_str);
    let parent = body.parent.as_deref().unwrap_or_default();
    let kind = body.kind.unwrap_or_default();
    let text = [body.application.as_str(), authority, parent, kind].join("|");
    sha256(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Coordinator {
    /// Returns what the key of a spawn asks for.
    pub(super) fn spawn_key(
        &self,
        zone: &Zone,
        request: &IncomingRequest<'_>,
        body: &SpawnBody,
        authority: &AuthorityId,
    ) -> Result<Key, Refusal> {
        let Some(key) = self.key(request)? else { return Ok(Key::None) };
        if self.config.is_head() {
            return Ok(Key::Given(sha256(key.as_bytes())));
        }
        if self.config.is_strict() {
            let is_derived = *key == *derived(body);
            return Ok(if is_derived { Key::None } else { Key::Given(sha256(key.as_bytes())) });
        }
        let parent = body.parent.as_deref().map(super::ids::Uuid::parse);
        let merged = zone.sessions().before(super::ids::Uuid::MAX).find(|session| {
            let facts = session.facts();
            session.phase().is_live()
                && facts.application == body.application
                && facts.authority == *authority
                && facts.parent.map(Some) == parent
        });
        Ok(match merged {
            Some(session) => {
                Key::Merged(Reply::json(200, session.row(&zone.config().id).opened(self.config.generation, None)))
            }
            None => Key::None,
        })
    }

    /// Returns the digest of the key of a delegation. Those of 0.1 have none.
    pub(super) fn delegation_key(&self, request: &IncomingRequest<'_>) -> Result<Option<Digest>, Refusal> {
        if !self.config.is_head() {
            return Ok(None);
        }
        Ok(self.key(request)?.map(|key| sha256(key.as_bytes())))
    }

    fn key<'a>(&self, request: &IncomingRequest<'a>) -> Result<Option<&'a str>, Refusal> {
        let mut values = request.header("idempotency-key");
        let key = values.next();
        if !self.config.is_head() {
            return Ok(key.map(str::trim).filter(|key| !key.is_empty() && key.len() <= MAX_KEY_BYTES));
        }
        let Some(key) = key else { return Ok(None) };
        if values.next().is_some() {
            return Err(Refusal::KeyMultiple);
        }
        let is_valid = (1..=MAX_KEY_BYTES).contains(&key.len())
            && key.trim() == key
            && !key.chars().any(|char| char.is_ascii_control());
        if is_valid { Ok(Some(key)) } else { Err(Refusal::KeyInvalid) }
    }

    /// Returns the answer to an earlier request with the same key, or `None` for the first one.
    pub(super) fn receipt(
        &self,
        zone: &Zone,
        purpose: Purpose,
        application: &ApplicationId,
        key: Digest,
        asked: Digest,
    ) -> Result<Option<Reply>, Refusal> {
        let delegation = purpose == Purpose::Delegation;
        let Some((id, receipt)) = zone.receipts().find(purpose, application, &key) else { return Ok(None) };
        if receipt.request != asked {
            return Err(Refusal::KeyConflict { delegation });
        }
        let is_live = match purpose {
            Purpose::Spawn => zone.sessions().live(id).is_some(),
            Purpose::Delegation => zone.edges().get(id).is_some_and(super::edges::Edge::is_active),
        };
        if !is_live {
            return Err(Refusal::ResultInactive { delegation });
        }
        let reply = Reply::json(201, (*receipt.body).into());
        Ok(Some(if self.config.is_head() { reply.replayed() } else { reply }))
    }

    /// Makes the receipt of an answer.
    pub(super) fn new_receipt(
        &self,
        request: &IncomingRequest<'_>,
        purpose: Purpose,
        key: Digest,
        asked: Digest,
        answer: &str,
    ) -> Receipt {
        let is_generated = request.header("idempotency-key-kind").any(|kind| kind == "generated");
        let retention = match purpose {
            Purpose::Spawn if is_generated => self.config.generated_receipt_retention,
            Purpose::Spawn | Purpose::Delegation => self.config.receipt_retention,
        };
        let expires_at = self.clock.wall().plus(retention);
        Receipt { key, request: asked, body: answer.into(), expires_at }
    }

    /// Checks that there is room for a receipt.
    pub(super) fn check_receipt(
        &self,
        zone: ZoneKey,
        purpose: Purpose,
        application: &ApplicationId,
        receipt: Option<&Receipt>,
    ) -> Result<(), Refusal> {
        let (Some(receipt), Some(zone)) = (receipt, self.zone(zone)) else { return Ok(()) };
        let limits = &self.config.limits;
        let bytes = zone.receipts().bytes_held().saturating_add(receipt.body.len());
        let is_full = zone.receipts().count(purpose, application) >= limits.receipts_per_application;
        if is_full || bytes > limits.receipt_bytes { Err(Refusal::ReceiptLimit) } else { Ok(()) }
    }
}
