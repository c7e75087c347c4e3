//! One connection: its state, hello, replies, credit and liveness. `reading.rs` says whether it is read from.

mod reading;

use alloc::boxed::Box;

use bytes::Bytes;

use super::claim::Claim;
use super::credit::{Credit, Outstanding, Written};
use super::pause::Pause;
use super::replies::{Replies, Reply};
use super::silence::Silence;
use super::state::ConnState;
use super::ungreeted::Place;
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, SessionKey, Via};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::Features;
use crate::time::Time;

/// Malformed frames are counted over this many microseconds.
const BAD_FRAMES_PERIOD: u64 = 60_000_000;

/// A hello that waits for the host's answer.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) features: Features,
    pub(crate) resume: Option<Claim>,
}

/// The close code and reason of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

/// The next unnumbered frame of a connection.
pub(crate) enum Unnumbered {
    Ping(Bytes),
    Reply(Reply),
    /// A frame waits for credit.
    NoCredit,
    /// No frame waits.
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) struct Conn {
    via: Via,
    /// Whether it carries a session of another runtime.
    guest: bool,
    /// Its position among all connections that were opened.
    place: Place,
    /// The dialect that the peer has asked for.
    wanted: Option<Dialect>,
    /// The dialect that its hello shows.
    recognised: Dialect,
    state: ConnState,
    greeting: Option<Box<Greeting>>,
    /// The position of its hello among all hellos of the runtime.
    hello: u64,
    session: Option<SessionKey>,
    replies: Replies,
    credit: Credit,
    /// Bytes of an incomplete frame that the host holds.
    unread: usize,
    ping: Option<Bytes>,
    /// The last store that a frame sent to it depends on.
    after: u64,
    last_received: Time,
    last_sent: Time,
    last_ping: Time,
    /// Whether a frame was received after the welcome, which proves that the client holds the newest resume token.
    proved: bool,
    pause: Pause,
    bad_frames: u32,
    bad_since: Time,
    ending: Option<Ending>,
    touched: bool,
    greeting_deadline: Deadline,
    heartbeat_deadline: Deadline,
    stall_deadline: Deadline,
    linger_deadline: Deadline,
}

impl Conn {
    pub(super) fn new(via: Via, place: Place, now: Time) -> Conn {
        Conn {
            via,
            guest: false,
            place,
            wanted: None,
            recognised: Dialect::SPEC,
            state: ConnState::Greeting,
            greeting: None,
            hello: 0,
            session: None,
            replies: Replies::default(),
            credit: Credit::new(now),
            unread: 0,
            ping: None,
            after: 0,
            last_received: now,
            last_sent: now,
            last_ping: now,
            proved: false,
            pause: Pause::default(),
            bad_frames: 0,
            bad_since: now,
            ending: None,
            touched: false,
            greeting_deadline: Deadline::new(Timer::Greeting),
            heartbeat_deadline: Deadline::new(Timer::Heartbeat),
            stall_deadline: Deadline::new(Timer::Stall),
            linger_deadline: Deadline::new(Timer::Linger),
        }
    }

    /// Marks it as the connection of a session of another runtime.
    pub(super) fn into_guest(mut self) -> Conn {
        self.guest = true;
        self
    }

    /// Whether it carries a session of another runtime.
    pub(crate) fn is_guest(&self) -> bool {
        self.guest
    }

    pub(crate) fn via(&self) -> Via {
        self.via
    }

    /// Notes who could listen to it, before its hello.
    pub(crate) fn carried(&mut self, via: Via) {
        self.via = if self.state == ConnState::Greeting { via } else { self.via };
    }

    /// Notes the dialect that the peer has asked for, before its hello.
    pub(crate) fn want(&mut self, dialect: Dialect) {
        if self.state == ConnState::Greeting {
            self.wanted = Some(dialect);
        }
    }

    /// Notes the dialect that its hello shows.
    pub(crate) fn recognise(&mut self, dialect: Dialect) {
        self.recognised = dialect;
    }

    /// The dialect of a session that is opened on it: what the peer has asked for, `named`, or what its hello shows.
    pub(crate) fn dialect(&self, named: Option<Dialect>) -> Dialect {
        self.wanted.or(named).unwrap_or(self.recognised)
    }

    pub(crate) fn state(&self) -> ConnState {
        self.state
    }

    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.session
    }

    /// The position of its hello among all hellos of the runtime.
    pub(crate) fn hello_order(&self) -> u64 {
        self.hello
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The id of the hello that waits for the host's answer.
    pub(crate) fn hello_id(&self) -> Option<Box<str>> {
        self.greeting.as_ref().and_then(|greeting| greeting.request_id.clone())
    }

    /// Its position among all connections that were opened.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Starts the deadline of the hello or, once that has arrived, of the host's answer.
    pub(super) fn await_greeting(&mut self, id: ConnId, at: Time, timers: &mut Timers) {
        self.greeting_deadline.set(at, id, timers);
    }

    /// Clears that deadline. Another one applies from now on.
    pub(super) fn stop_awaiting(&mut self, id: ConnId, timers: &mut Timers) {
        self.greeting_deadline.clear(id, timers);
    }

    pub(super) fn hello(&mut self, order: u64, greeting: Option<Box<Greeting>>) -> bool {
        if !self.state.hello() {
            return false;
        }
        self.hello = order;
        self.greeting = greeting;
        true
    }

    /// Removes and returns the hello that the host has answered.
    pub(crate) fn take_greeting(&mut self) -> Option<Box<Greeting>> {
        if self.state == ConnState::Authenticating { self.greeting.take() } else { None }
    }

    /// Whether its hello waits for the host's answer.
    pub(super) fn awaits_host(&self) -> bool {
        self.state == ConnState::Authenticating && self.greeting.is_some()
    }

    /// Takes its place in another runtime.
    pub(super) fn arrive(&mut self, place: Place) {
        self.place = place;
        self.touched = false;
    }

    pub(super) fn admit(&mut self, session: SessionKey, now: Time) -> bool {
        if !self.state.admit() {
            return false;
        }
        self.session = Some(session);
        self.last_ping = now;
        self.last_sent = now;
        true
    }

    pub(super) fn end(&mut self, ending: Ending) -> bool {
        if !self.state.end() {
            return false;
        }
        self.ending = Some(ending);
        self.ping = None;
        self.replies.drop_late();
        true
    }

    pub(super) fn flushed(&mut self) -> bool {
        self.state.flushed()
    }

    pub(super) fn lost(&mut self) -> bool {
        self.state.lost()
    }

    /// Removes and returns its session.
    pub(super) fn unbind(&mut self) -> Option<SessionKey> {
        self.session.take()
    }

    /// Notes that a frame was received.
    pub(crate) fn receive(&mut self, now: Time) {
        self.last_received = now;
    }

    /// Notes that its client holds the newest resume token of its session; returns the session the first time.
    pub(crate) fn prove(&mut self) -> Option<SessionKey> {
        if core::mem::replace(&mut self.proved, true) { None } else { self.session }
    }

    /// Counts a malformed frame; returns whether there were too many.
    pub(crate) fn count_bad_frame(&mut self, now: Time, limits: &Limits) -> bool {
        if now.since(self.bad_since) >= BAD_FRAMES_PERIOD {
            self.bad_since = now;
            self.bad_frames = 0;
        }
        self.bad_frames += 1;
        self.bad_frames > limits.bad_frames
    }

    pub(super) fn push(&mut self, reply: Reply) {
        self.replies.push(reply);
    }

    /// Notes how many bytes of an incomplete frame the host holds.
    pub(super) fn buffered(&mut self, bytes: usize) {
        self.unread = bytes;
    }

    /// The bytes that wait for it: an incomplete frame, replies, and frames that are not written yet. The host has the latter
    /// twice, as they are and as they are on the wire.
    pub(crate) fn waiting(&self) -> usize {
        self.unread + self.replies.bytes() + 2 * self.credit.bytes()
    }

    /// Whether all frames that were given to the host are written.
    pub(crate) fn is_written(&self) -> bool {
        self.credit.waiting_since().is_none()
    }

    /// Whether nothing is left to be sent before it closes.
    pub(super) fn is_flushed(&self) -> bool {
        self.state == ConnState::Closing && self.replies.is_empty()
    }

    /// Queues a ping, which is sent before everything else.
    pub(crate) fn ping(&mut self, frame: Bytes) {
        self.ping = Some(frame);
    }

    /// Removes and returns the next ping or reply that may be sent after the event `sent`. `hold` holds back the
    /// `job.accepted` of delegated jobs.
    pub(crate) fn next_unnumbered(&mut self, sent: u64, hold: bool, limits: &Limits) -> Unnumbered {
        if let Some(ping) = self.ping.take() {
            if self.credit.allows(ping.len(), limits) {
                return Unnumbered::Ping(ping);
            }
            self.ping = Some(ping);
            return Unnumbered::NoCredit;
        }
        match self.replies.next_len(sent, hold) {
            Some(len) if !self.credit.allows(len, limits) => Unnumbered::NoCredit,
            Some(_) => self.replies.take(sent, hold).map_or(Unnumbered::Nothing, Unnumbered::Reply),
            None => Unnumbered::Nothing,
        }
    }

    /// Returns whether the event after `sent` may be sent: the connection carries a session, and no reply must come
    /// first.
    pub(crate) fn takes_event(&self, sent: u64) -> bool {
        self.state == ConnState::Bound && !self.replies.precede(sent)
    }

    pub(crate) fn has_credit(&self, bytes: usize, limits: &Limits) -> bool {
        self.credit.allows(bytes, limits)
    }

    /// The last store that a frame sent to it depends on; 0 before the welcome.
    pub(crate) fn depends_on(&self) -> u64 {
        self.after
    }

    /// Notes that a frame was given to the driver; from then on it has until `stalled` to write one.
    pub(super) fn give(
        &mut self,
        id: ConnId,
        frame: Outstanding,
        after: u64,
        now: Time,
        stalled: Time,
        timers: &mut Timers,
    ) {
        self.after = after;
        self.credit.take(frame, now);
        self.last_sent = now;
        if self.stall_deadline.is_clear() {
            self.stall_deadline.set(stalled, id, timers);
        }
    }

    /// Notes that the driver has written a number of frames.
    pub(crate) fn written(&mut self, frames: usize, now: Time) -> Written {
        self.credit.give_back(frames, now)
    }

    /// The stall deadline has passed; returns since when nothing was written, if frames are outstanding.
    pub(super) fn stall_passed(&mut self) -> Option<Time> {
        self.stall_deadline.passed();
        self.credit.waiting_since()
    }

    pub(super) fn watch_stall(&mut self, id: ConnId, at: Time, timers: &mut Timers) {
        self.stall_deadline.set(at, id, timers);
    }

    pub(super) fn linger(&mut self, id: ConnId, at: Time, timers: &mut Timers) {
        self.linger_deadline.set(at, id, timers);
    }

    pub(super) fn watch_heartbeat(&mut self, id: ConnId, at: Time, timers: &mut Timers) {
        self.heartbeat_deadline.set(at, id, timers);
    }

    pub(super) fn stop_heartbeat(&mut self, id: ConnId, timers: &mut Timers) {
        self.heartbeat_deadline.clear(id, timers);
    }

    /// Handles the heartbeat deadline, and returns what to do.
    pub(super) fn silence(&mut self, now: Time, interval: u64) -> Silence {
        self.heartbeat_deadline.passed();
        if now.since(self.last_received) >= 2 * interval {
            return Silence::Dead;
        }
        let idle_since = self.last_sent.min(self.last_received);
        if now.since(idle_since) >= interval && now.since(self.last_ping) >= interval {
            self.last_ping = now;
            return Silence::Ping;
        }
        Silence::None
    }

    /// Returns when silence has to be checked again.
    pub(super) fn next_heartbeat(&self, now: Time, interval: u64) -> Time {
        let idle = self.last_sent.min(self.last_received).max(self.last_ping).plus_micros(interval);
        idle.min(self.last_received.plus_micros(2 * interval)).max(now.plus_micros(1))
    }

    /// Notes that the greeting deadline has passed.
    pub(super) fn greeting_passed(&mut self) {
        self.greeting_deadline.passed();
    }

    /// Clears all its deadlines.
    pub(super) fn clear_deadlines(&mut self, id: ConnId, timers: &mut Timers) {
        self.greeting_deadline.clear(id, timers);
        self.heartbeat_deadline.clear(id, timers);
        self.stall_deadline.clear(id, timers);
        self.linger_deadline.clear(id, timers);
    }

    /// Marks it as one that may have something to send; returns whether it was not marked before.
    pub(super) fn touch(&mut self) -> bool {
        !core::mem::replace(&mut self.touched, true)
    }

    pub(super) fn untouch(&mut self) {
        self.touched = false;
    }

    pub(super) fn held(&self) -> usize {
        self.replies.held() + self.credit.held() + 512
    }
}
