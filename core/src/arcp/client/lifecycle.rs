//! From state to state, and what fails on the way.

use alloc::boxed::Box;

use super::Client;
use super::event::{ClientEvent, ClientOutput, CloseReason, LostReason, RequestFailure};
use super::liveness::Liveness;
use super::requests::What;
use super::state::{State, Step};
use super::track::Tracks;
use super::types::{HandleId, Outcome, Product, RequestId};
use crate::time::Time;

impl Client {
    /// Time never steps back.
    pub(super) fn clock(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Takes a step, if it is one for this state.
    pub(super) fn step(&mut self, step: Step) -> bool {
        match self.state.next(step) {
            Some(next) => {
                self.state = next;
                true
            }
            None => false,
        }
    }

    pub(super) fn emit(&mut self, event: ClientEvent, bytes: usize) {
        let before = self.session.as_ref().map_or(0, |session| session.seq.last());
        self.out.event(&self.config, self.now, event, before, bytes);
    }

    pub(super) fn drop_transport(&mut self, code: u16, reason: &'static str) {
        self.out.push(ClientOutput::CloseTransport { code, reason });
    }

    /// The transport is gone, or was not to be had.
    pub(super) fn lose(&mut self, reason: LostReason) {
        let before = self.state;
        if !self.step(Step::Lose) {
            return;
        }
        self.forget_transport();
        match before {
            State::Live => self.attempt = 0,
            State::Idle | State::Greeting | State::Lost => self.attempt = self.attempt.saturating_add(1),
            State::Closing | State::Closed => return self.finish(CloseReason::Asked),
        }
        if before.connected() {
            self.emit(ClientEvent::Lost(reason), 0);
        }
        self.out.push(ClientOutput::Connect { attempt: self.attempt, resume: self.session.is_some() });
    }

    /// The runtime will have nothing to do with this client any more.
    pub(super) fn refuse(&mut self, code: u16, why: &'static str, reason: CloseReason) {
        if self.step(Step::Refuse) {
            self.drop_transport(code, why);
            self.finish(reason);
        }
    }

    /// The runtime has said goodbye, or had the time to.
    pub(super) fn done(&mut self) {
        if self.step(Step::Done) {
            self.finish(CloseReason::Asked);
        }
    }

    pub(super) fn forget_transport(&mut self) {
        self.out.reset();
        self.requests.requeue();
        self.pongs.clear();
        self.ping = false;
        self.greeting = None;
        self.live = Liveness::default();
        self.bad_frames = 0;
        if let Some(session) = &mut self.session {
            session.acks.forget();
        }
    }

    /// The end: every request fails, every handle is dead.
    pub(super) fn finish(&mut self, reason: CloseReason) {
        self.forget_transport();
        self.fail_all();
        self.closing = None;
        self.goodbye = None;
        self.tracks = Tracks::default();
        self.held.clear();
        self.emit(ClientEvent::Closed(Box::new(reason)), 0);
    }

    pub(super) fn fail_all(&mut self) {
        for id in self.requests.ids() {
            self.fail(id, RequestFailure::Closed);
        }
    }

    /// A request has failed: the application is told, unless it has dropped the handle.
    pub(super) fn fail(&mut self, id: RequestId, why: RequestFailure) {
        let Some(request) = self.requests.remove(id) else { return };
        let mut told = true;
        match request.what {
            What::Submit(handle) | What::Subscribe(handle) => {
                if let Some(track) = self.tracks.remove(handle) {
                    told = !track.released;
                    for cancel in track.cancels {
                        self.fail(cancel.request, why.clone());
                    }
                }
            }
            What::Cancel(handle) => {
                if let Some(track) = self.tracks.handles.get_mut(handle) {
                    track.cancels.retain(|cancel| cancel.request != id);
                }
            }
            What::List | What::Unsubscribe => {}
        }
        if let Some(request) = request.failed(id).filter(|_| told) {
            self.emit(ClientEvent::RequestFailed { request, why: Box::new(why) }, 0);
        }
    }

    /// A runtime that said a job has ended, and owes its terminal.
    pub(super) fn settle(&mut self, handle: HandleId) {
        let Some((status, _)) = self.tracks.handles.get(handle).and_then(|track| track.owed) else { return };
        let outcome =
            Outcome { status, seq: 0, result: Product::Unknown, summary: None, fault: None, completed_at: None };
        self.end(handle, Box::new(outcome), 0);
    }

    pub(super) fn greeting_due(&self) -> Option<Time> {
        self.greeting.and_then(|due| self.out.clock.real(due))
    }

    pub(super) fn silence_due(&self) -> Option<Time> {
        self.live.lost_due().and_then(|due| self.out.clock.real(due))
    }

    pub(super) fn ack_due(&self) -> Option<Time> {
        self.session.as_ref().and_then(|session| session.acks.due(self.config.auto_ack))
    }

    pub(super) fn ack_taken(&mut self) {
        if let Some(session) = &mut self.session {
            session.acks.pass(self.out.processed(session.seq.last()));
        }
    }
}
