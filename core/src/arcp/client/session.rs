//! The session of a client, which outlives its transports (§6).

use super::acks::Acks;
use super::config::AutoAck;
use super::peer::Peer;
use super::sequence::{Arrival, Sequence};
use super::types::ResumePoint;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::SessionId;
use crate::arcp::wire::request::write::{self, HelloForm};
use crate::secret::Secret;
use crate::time::Time;

/// A session: its id, its newest resume token, and what was received and acknowledged in it.
#[derive(Clone)]
pub(super) struct Session {
    id: SessionId,
    token: Option<Secret>,
    features: Features,
    /// Whether the features were negotiated by a former client, so that the next welcome names them.
    unknown_features: bool,
    /// The runtime, as its last welcome showed it.
    peer: Peer,
    /// Whether the runtime has ignored the resume of a hello, so that the session is resumed by `session.resume`.
    by_message: bool,
    /// Whether a former client used the session, so that it can have jobs that this client does not know.
    inherited: bool,
    sequence: Sequence,
    acks: Acks,
}

impl Session {
    /// Creates the session of a first welcome.
    pub(super) fn new(id: &str, features: Features) -> Session {
        Session {
            id: id.into(),
            token: None,
            features,
            unknown_features: false,
            peer: Peer::UNKNOWN,
            by_message: false,
            inherited: false,
            sequence: Sequence::default(),
            acks: Acks::default(),
        }
    }

    /// Takes over the session of a former client. `features` are assumed until the next welcome.
    pub(super) fn inherit(point: ResumePoint, features: Features) -> Session {
        Session {
            id: point.session_id,
            token: Some(point.token),
            features,
            unknown_features: true,
            peer: Peer::UNKNOWN,
            by_message: false,
            inherited: true,
            sequence: Sequence::after(point.last_event_seq),
            acks: Acks::default(),
        }
    }

    /// Records a welcome, which has opened or resumed the session. The features stay those of the first welcome.
    pub(super) fn welcome(&mut self, features: Features, token: Option<Secret>, peer: Peer) {
        self.peer = peer;
        if core::mem::take(&mut self.unknown_features) {
            self.features = features;
        }
        if token.is_some() {
            self.token = token;
        }
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_str()
    }

    pub(super) fn features(&self) -> Features {
        self.features
    }

    /// Returns the runtime, as its last welcome showed it.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Returns the form of the next hello.
    pub(super) fn hello(&self) -> HelloForm {
        if self.by_message { HelloForm::Message } else { self.peer.hello }
    }

    /// Records that the runtime has answered a hello that resumes this session with another one. Returns whether
    /// `session.resume` is worth an attempt.
    pub(super) fn replaced(&mut self) -> bool {
        let tried = self.hello() == HelloForm::Message;
        self.by_message = true;
        !tried
    }

    /// Returns whether the runtime has answered a hello that resumes this session with another one.
    pub(super) fn is_replaced(&self) -> bool {
        self.by_message
    }

    /// Returns whether the session can have jobs that this client does not know.
    pub(super) fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Returns the `resume` of a hello; `None` if the runtime gave no token.
    pub(super) fn resume(&self) -> Option<write::Resume<'_>> {
        let token = self.token.as_ref()?;
        Some(write::Resume {
            session_id: self.id.as_str(),
            token: token.expose(),
            last_event_seq: self.sequence.resume_from(),
        })
    }

    /// Returns what another client needs to resume the session; `None` if the runtime gave no token.
    pub(super) fn resume_point(&self) -> Option<ResumePoint> {
        Some(ResumePoint {
            session_id: self.id.clone(),
            token: self.token.clone()?,
            last_event_seq: self.sequence.resume_from(),
        })
    }

    /// Records that the transport was lost, and perhaps the last acknowledgement with it. That may be sent again.
    pub(super) fn transport_lost(&mut self) {
        self.acks = Acks::default();
    }

    // Event numbers.

    /// Records the number of a frame that was received.
    pub(super) fn arrive(&mut self, seq: u64) -> Arrival {
        self.sequence.arrive(seq)
    }

    /// Records that a frame was delivered to the application.
    pub(super) fn delivered(&mut self, seq: u64, own: bool, late: bool) {
        self.sequence.delivered(seq, own, late);
    }

    /// Returns the highest number up to which all events were received or given up.
    pub(super) fn last_seq(&self) -> u64 {
        self.sequence.last()
    }

    // Acknowledgements.

    /// Wants an acknowledgement up to `seq`, but not beyond what was received.
    pub(super) fn ack(&mut self, seq: u64) {
        self.acks.want(seq.min(self.sequence.last()));
    }

    /// Records that the application has taken all events up to `seq`.
    pub(super) fn taken(&mut self, auto_ack: Option<AutoAck>, seq: u64, now: Time) {
        if let Some(auto_ack) = auto_ack
            && self.features.has(Feature::Ack)
        {
            self.acks.taken(auto_ack, seq, now);
        }
    }

    /// Returns when an acknowledgement is due.
    pub(super) fn ack_due(&self, auto_ack: Option<AutoAck>) -> Option<Time> {
        auto_ack.and_then(|auto_ack| self.acks.due(auto_ack))
    }

    /// Wants the acknowledgement that is due. The application has taken all events up to `seq`.
    pub(super) fn ack_interval_passed(&mut self, seq: u64) {
        self.acks.interval_passed(seq);
    }

    /// Returns the number to acknowledge now.
    pub(super) fn next_ack(&mut self) -> Option<u64> {
        self.acks.next()
    }
}
