//! Clients of this workspace and the applications that use them.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use nuncio_core::arcp::client::{CloseReason, HandleId, ListQuery, RequestFailure, SubmitArgs, Subscribe};
use nuncio_core::arcp::{Client, ClientConfig, ClientEvent, ClientOutput, Feature, Features, Secret, Via};
use nuncio_core::time::Time;
use serde_json::Value;

use super::host::TOKENS;
use super::link::End;
use super::{Sim, lease, note};
use crate::seeded::Draw;
use crate::world::{Frame, SECOND, json_text};

pub(super) struct Peer {
    pub(super) client: Client,
    pub(super) principal: &'static str,
    features: Features,
    pub(super) link: Option<usize>,
    /// The link on which it was last welcomed.
    pub(super) welcomed: Option<usize>,
    /// Whether it wants a transport.
    pub(super) wants: bool,
    pub(super) closed: bool,
    /// Whether it was told to close.
    pub(super) leaving: bool,
    /// The number of events that its application has not taken.
    pub(super) untaken: usize,
    pub(super) session: Option<String>,
    /// The newest resume token it received.
    pub(super) token: Option<String>,
    /// The number of the last event it was shown, and the handles that were shown it.
    last: (u64, HashSet<HandleId>),
    /// Handles whose end has not been reported, with their job once it is known.
    pub(super) handles: HashMap<HandleId, Option<String>>,
    order: Vec<HandleId>,
    /// Subscriptions that the runtime has dropped.
    pub(super) dropped: HashSet<HandleId>,
}

impl Peer {
    pub(super) fn is_live(&self) -> bool {
        self.link.is_some() && self.link == self.welcomed
    }

    /// Returns the features of the session, which must be those that both sides offer (§6.2).
    pub(super) fn checked_features(&self, welcome: &Frame) -> BTreeSet<String> {
        let features = welcome.payload()["capabilities"]["features"].as_array().into_iter().flatten();
        let features: BTreeSet<String> = features.filter_map(Value::as_str).map(str::to_owned).collect();
        let asked = Feature::ALL.into_iter().filter(|feature| self.features.has(*feature));
        let asked: BTreeSet<String> = asked.map(|feature| feature.as_str().to_owned()).collect();
        assert_eq!(features, asked, "§6.2: the features that both sides offer: {welcome:?}");
        features
    }

    /// Remembers the resume token of a welcome.
    fn keep_token(&mut self, frame: &[u8]) {
        let text = std::str::from_utf8(frame).unwrap_or_default();
        if text.contains("\"session.welcome\"") {
            self.token = Frame::parse(text).payload()["resume_token"].as_str().map(str::to_owned);
        }
    }

    /// Registers the end of a handle, which must come only once.
    fn end(&mut self, handle: HandleId) {
        self.order.retain(|known| *known != handle);
        assert!(self.handles.remove(&handle).is_some(), "client: {handle:?} ended twice");
    }
}

impl Sim {
    pub(super) fn new_peer(&mut self, who: usize) -> Peer {
        self.next_seed = self.next_seed.wrapping_add(1);
        let (token, principal) = TOKENS[who % 3];
        // The last clients offer fewer features.
        let features = match who {
            2 => Features::ALL.without(Feature::Progress).without(Feature::ResultChunk),
            3 => Features::ALL.without(Feature::Ack).without(Feature::Heartbeat),
            _ => Features::ALL,
        };
        let config = ClientConfig::new(Secret::new(token)).with(|config| config.features = features);
        Peer {
            client: Client::new(config, [self.next_seed; 32], self.now),
            principal,
            features,
            link: None,
            welcomed: None,
            wants: true,
            closed: false,
            leaving: false,
            untaken: 0,
            session: None,
            token: None,
            last: (0, HashSet::new()),
            handles: HashMap::new(),
            order: Vec::new(),
            dropped: HashSet::new(),
        }
    }

    pub(super) fn connect(&mut self, who: usize) {
        if !std::mem::take(&mut self.peers[who].wants) {
            return;
        }
        let link = self.open(End::Client(who), Via::Tls);
        self.peers[who].link = Some(link);
        self.peers[who].client.handle_open(self.now);
        self.drain_peer(who);
    }

    /// Replaces a client with a new one that has no session, as if its process had crashed.
    pub(super) fn restart(&mut self, who: usize) {
        note(|| format!("  client {who} restarts"));
        if let Some(link) = self.peers[who].link.and_then(|link| self.links.get_mut(&link)) {
            link.peer_done = true;
            link.up_queue.clear();
        }
        let peer = self.new_peer(who);
        self.peers[who] = peer;
    }

    pub(super) fn drain_peer(&mut self, who: usize) {
        while let Some(output) = self.peers[who].client.poll_output() {
            let link = self.peers[who].link.and_then(|link| self.links.get_mut(&link));
            match output {
                ClientOutput::Send(frame) => {
                    if let Some(link) = link {
                        link.up_queue.push_back(frame);
                    }
                }
                ClientOutput::Connect { .. } => {
                    self.peers[who].wants = true;
                    if let Some(link) = link {
                        link.peer_done = true;
                    }
                    self.peers[who].link = None;
                }
                ClientOutput::CloseTransport { .. } => {
                    if let Some(link) = link {
                        link.peer_done = true;
                    }
                    self.peers[who].link = None;
                }
                ClientOutput::Reading => {}
                ClientOutput::Event(event) => {
                    self.peers[who].untaken += 1;
                    self.observe_event(who, event);
                }
            }
        }
        let held = self.peers[who].client.bytes_held();
        assert!(held < 32 << 20, "ours: client {who} holds {held} bytes");
    }

    /// Registers an event that the application is shown.
    fn observe_event(&mut self, who: usize, event: ClientEvent) {
        note(|| format!("  client {who}: {event:?}"));
        let peer = &mut self.peers[who];
        // An event is shown once for each handle of its job.
        let mut in_order = |seq: u64, handle: HandleId| {
            let (last, ref mut told) = peer.last;
            assert!(seq >= last, "client: event {seq} came after {last}");
            if seq > last {
                told.clear();
            }
            assert!(told.insert(handle), "client: event {seq} came twice");
            peer.last.0 = seq;
        };
        match event {
            ClientEvent::Welcome(welcome) => {
                if let Some(before) = &peer.session {
                    assert_eq!(*before, welcome.session_id, "client: a resume led to another session");
                }
                peer.session = Some(welcome.session_id.to_string());
                peer.welcomed = peer.link;
            }
            ClientEvent::Accepted { handle, accepted } => {
                let job = peer.handles.get_mut(&handle).expect("client: an unknown handle was accepted");
                *job = Some(accepted.job_id.to_string());
            }
            ClientEvent::Child { handle, accepted, .. } => {
                peer.handles.insert(handle, Some(accepted.job_id.to_string()));
                peer.order.push(handle);
                self.count("child");
            }
            ClientEvent::Job(event) => {
                in_order(event.seq, event.handle);
                // A dropped subscription (§7.6) ends with this event: no terminal follows.
                if event.body.as_str().contains("\"subscription_dropped\"") {
                    peer.dropped.insert(event.handle);
                }
            }
            ClientEvent::Chunk(chunk) => in_order(chunk.seq, chunk.handle),
            ClientEvent::Terminal { handle, .. } => peer.end(handle),
            ClientEvent::ChunkFault { reason, .. } => panic!("client: a correct stream is rejected: {reason}"),
            ClientEvent::Gap { from, to } => panic!("§8.3: a client lost {from}..={to}"),
            ClientEvent::RequestFailed { request, why } => {
                use nuncio_core::arcp::client::Failed;
                if let Failed::Submit(handle) | Failed::Subscribe(handle) = request {
                    peer.end(handle);
                }
                self.count(match *why {
                    RequestFailure::TimedOut => "request timed out",
                    _ => "request failed",
                });
            }
            ClientEvent::Closed(reason) => {
                peer.closed = true;
                peer.handles.clear();
                let fine = matches!(*reason, CloseReason::Asked | CloseReason::Refused(_));
                assert!(fine, "client: closed with {reason:?}");
                self.count("client closed");
            }
            _ => {}
        }
    }

    /// Hands frames of the runtime to a client; returns how many.
    pub(super) fn deliver_down(&mut self, number: usize, frames: usize) -> usize {
        let mut delivered = 0;
        while delivered < frames {
            let Some(link) = self.links.get_mut(&number) else { break };
            if link.peer_done {
                break;
            }
            match link.peer {
                End::Client(who) => {
                    if !self.peers[who].client.reading() {
                        break;
                    }
                    let Some(frame) = link.down.pop_front() else { break };
                    self.peers[who].keep_token(&frame);
                    self.peers[who].client.handle_frame(self.now, &frame);
                    self.drain_peer(who);
                }
                End::Hostile(who) => {
                    let Some(frame) = link.down.pop_front() else { break };
                    self.hostiles[who].observe(&frame);
                }
            }
            delivered += 1;
        }
        let Some(link) = self.links.get_mut(&number).filter(|link| link.down_ended()) else { return delivered };
        link.peer_done = true;
        let code = link.code.filter(|_| !link.broken);
        if let End::Client(who) = link.peer
            && self.peers[who].link == Some(number)
        {
            self.peers[who].link = None;
            match code {
                Some(code) => self.peers[who].client.handle_peer_close(self.now, code),
                None => self.peers[who].client.handle_close(self.now),
            }
            self.drain_peer(who);
        }
        delivered
    }

    /// Writes frames of a client to the socket; returns how many.
    pub(super) fn write_up(&mut self, number: usize, frames: usize) -> usize {
        let Some(link) = self.links.get_mut(&number) else { return 0 };
        let written = link.write_up(frames);
        if let (End::Client(who), true) = (link.peer, written > 0)
            && self.peers[who].link == Some(number)
        {
            self.peers[who].client.handle_sent(self.now, written);
            self.drain_peer(who);
        }
        written
    }

    pub(super) fn take_events(&mut self, who: usize, events: usize) {
        let peer = &mut self.peers[who];
        let events = events.min(peer.untaken);
        peer.untaken -= events;
        peer.client.handle_taken(self.now, events);
        self.drain_peer(who);
    }

    /// Lets an application send a request.
    pub(super) fn command(&mut self, draw: &mut Draw<'_, '_>) {
        let who = draw.below(self.peers.len());
        if self.peers[who].closed && draw.chance(50) {
            self.restart(who);
        }
        if self.peers[who].wants {
            self.connect(who);
            return;
        }
        let now = self.now;
        match draw.weighted(&[40, 12, 10, 6, 4, 4, 1, 16, 3, 3]) {
            0 => self.submit(who, draw),
            1 => {
                if let Some(handle) = draw.pick(&self.peers[who].order).copied() {
                    let _ = self.peers[who].client.cancel(now, handle, Some("enough"));
                }
            }
            2 => {
                let jobs = self.model.jobs.values().rev().take(8).map(|job| job.id.clone());
                let jobs: Vec<String> = jobs.collect();
                if let Some(job) = draw.pick(&jobs) {
                    let subscribe = Subscribe { history: draw.chance(60), from_event_seq: None };
                    let peer = &mut self.peers[who];
                    if let Ok(handle) = peer.client.subscribe(now, job, subscribe) {
                        peer.handles.insert(handle, Some(job.clone()));
                        peer.order.push(handle);
                    }
                }
            }
            3 => {
                let query = ListQuery { limit: Some(1 + u32::from(draw.chance(50))), ..ListQuery::default() };
                let _ = self.peers[who].client.list(now, &query);
            }
            4 => {
                let peer = &mut self.peers[who];
                if let Some(handle) = draw.pick(&peer.order).copied()
                    && peer.client.unsubscribe(now, handle).is_ok()
                {
                    peer.end(handle);
                }
            }
            5 => {
                let _ = self.peers[who].client.ack(now, None);
            }
            7 => self.answer_question(who, draw),
            8 => self.list_questions(who),
            9 => {
                // A client that is closed, or has too many requests, refuses.
                let _ = self.peers[who].client.status(now);
            }
            _ => {
                self.peers[who].leaving = true;
                self.peers[who].client.close(now, Some("bye"));
            }
        }
        self.drain_peer(who);
    }

    fn submit(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let agent = draw.one(&["echo", "again", "slow", "narrow", "echo"]);
        let lease = lease::draw(draw, true, true);
        let input = json_text(&format!("{{\"n\":{}}}", draw.below(3)));
        let text = json_text(&lease.to_string());
        // Timestamps on the wire are drawn in whole seconds.
        let second = Time(self.wall().0 / SECOND * SECOND);
        let expires_at = draw.chance(30).then(|| second.plus_secs(draw.one(&[1, 2, 4, 4, 20, 60])));
        let max_runtime_sec = draw.chance(15).then(|| 1 + u32::from(draw.chance(50)) * 40);
        let key = draw.chance(30).then(|| format!("key-{}", draw.below(3)));
        let submit = SubmitArgs {
            agent: agent.into(),
            input: draw.chance(50).then_some(&*input),
            lease_request: (!draw.chance(10)).then_some(&*text),
            expires_at,
            idempotency_key: key.map(Into::into),
            max_runtime_sec,
            ..SubmitArgs::default()
        };
        // A key may be reused with the same parameters or with others.
        let peer = &mut self.peers[who];
        if let Ok(handle) = peer.client.submit(self.now, &submit) {
            peer.handles.insert(handle, None);
            peer.order.push(handle);
        }
    }

    /// Queues bytes that a hostile peer sends.
    pub(super) fn send_raw(&mut self, number: usize, frame: Bytes) {
        if let Some(link) = self.links.get_mut(&number) {
            link.up_queue.push_back(frame);
        }
    }
}
