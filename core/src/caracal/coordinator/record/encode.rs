//! Writing records: one line of JSON each.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Change, CoordinatorRecord, EdgeCreated, Receipt, SessionEnded, SessionOpened};
use crate::caracal::coordinator::ids::Uuid;
use crate::caracal::wire::request::spawn::Generation;
use crate::json::{Object, strings};

impl CoordinatorRecord {
    /// Returns the record as one line of JSON without its line break: `{"v":1,"t":"session_opened",…}`. It holds no token
    /// and no idempotency key.
    pub fn encode(&self) -> Vec<u8> {
        let object = Object::with_capacity(512)
            .value("v", CoordinatorRecord::VERSION)
            .plain("t", self.kind())
            .text("zone", self.zone.as_str())
            .value("at", self.at.0)
            .opt_value("wall", (self.wall != self.at).then_some(self.wall.0));
        let object = match &self.change {
            Change::Opened { session, inherited, receipt: answered } => object
                .json("session", &opened(session))
                .opt_json("inherited", inherited.as_ref().map(|edge| created(edge)).as_deref())
                .opt_json("receipt", answered.as_ref().map(|answered| receipt(answered)).as_deref()),
            Change::Suspended { sessions, reason } => object.json("sessions", &ids(sessions)).text("reason", reason),
            Change::Resumed { sessions, until } => object.json("sessions", &ids(sessions)).value("until", until.0),
            Change::Leased { session, generation, until } => {
                object.plain("session", session).value("generation", generation).value("until", until.0)
            }
            Change::Delegated { edge, receipt: answered } => object
                .json("edge", &created(edge))
                .opt_json("receipt", answered.as_ref().map(|answered| receipt(answered)).as_deref()),
            Change::Ended { sessions, edges, epoch } => {
                let sessions: Vec<String> = sessions.iter().map(ended).collect();
                let sessions = alloc::format!("[{}]", sessions.join(","));
                object.json("sessions", &sessions).json("edges", &ids(edges)).value("epoch", epoch)
            }
            Change::Expired { edges } => object.json("edges", &ids(edges)),
            Change::Forgotten { sessions, edges, epoch } => {
                object.json("sessions", &ids(sessions)).json("edges", &ids(edges)).value("epoch", epoch)
            }
        };
        object.close().into_bytes()
    }
}

fn ids(ids: &[Uuid]) -> String {
    let texts: Vec<String> = ids.iter().map(|id| id.text()).collect();
    strings(texts.iter().map(|id| &**id))
}

fn opened(session: &SessionOpened) -> String {
    let object = Object::with_capacity(512)
        .plain("id", session.id)
        .text("application", session.application.as_str())
        .opt_plain("parent", session.parent)
        .text("authority", session.authority.as_str())
        .value("service", session.is_service);
    let object = if session.labels.is_empty() {
        object
    } else {
        object.json("labels", &strings(session.labels.iter().map(|label| &**label)))
    };
    object
        .value("depth", session.depth)
        .opt_value("ttl", session.ttl_secs)
        .json("metadata", &session.metadata)
        .value("at", session.at.0)
        .opt_value("lease_until", session.lease_until.map(|at| at.0))
        .close()
}

fn ended(session: &SessionEnded) -> String {
    Object::new().plain("id", session.id).value("expired", session.expired).text("reason", &session.reason).close()
}

fn created(edge: &EdgeCreated) -> String {
    Object::with_capacity(768)
        .plain("id", edge.id)
        .plain("source", edge.source)
        .plain("target", edge.target)
        .text("issuer", edge.issuer.as_str())
        .text("receiver", edge.receiver.as_str())
        .opt_plain("parent", edge.parent)
        .opt_text("resource", edge.resource.as_deref())
        .json("scopes", &strings(edge.scopes.iter().map(|scope| &**scope)))
        .json("limits", &edge.limits.json)
        .value("head", edge.limits.generation == Generation::Head)
        .value("hops", edge.hops)
        .value("expires_at", edge.expires_at.0)
        .value("at", edge.at.0)
        .value("epoch", edge.epoch)
        .close()
}

fn receipt(receipt: &Receipt) -> String {
    Object::with_capacity(768)
        .plain("key", STANDARD_NO_PAD.encode(receipt.key))
        .plain("request", STANDARD_NO_PAD.encode(receipt.request))
        .text("body", &receipt.body)
        .value("expires_at", receipt.expires_at.0)
        .close()
}
