//! The client's side of ARCP: one session of one application.
//!
//! ```text
//! state.rs    where the client is                requests.rs  what is unanswered, and whose answer came
//! sequence.rs which event number is next         track.rs     jobs, handles, events of unknown jobs
//! liveness.rs pings, silence, acknowledgements   chunks.rs    streamed results
//! outbox.rs   credit, and what nobody has taken
//!
//! application --commands.rs--> requests --send.rs--> transport --receive.rs--> deliver.rs, answer.rs --> application
//! ```
//!
//! A client is told when a transport is up and when it is lost, and says when it wants the next one; the session goes
//! on over all of them. Every event reaches the application once and in order, by its number in the session; unanswered
//! requests are repeated after a resume. Whatever the deployed runtimes get wrong is survived (core/docs/arcp.md,
//! "The client").

mod answer;
mod chunks;
mod commands;
mod config;
mod deliver;
mod event;
mod lifecycle;
mod liveness;
mod outbox;
mod receive;
mod requests;
mod send;
mod sequence;
mod state;
mod track;
mod types;

pub use config::{AutoAck, ClientConfig};
pub use event::{ClientEvent, ClientOutput, ClientTimer, CloseReason, Failed, LostReason, RequestFailure};
pub use types::{ChunkEvent, ClientRefused, HandleId, JobEvent, Outcome, Product, RequestId, ResumePoint, Welcome};

pub use super::wire::reply::read::{Accepted, AgentInfo, EventKind, JobPage, JobRow, Raw, RemoteFault, Subscribed};
pub use super::wire::request::write::{ListQuery, Submit, Subscribe};

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;

use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::EnvelopeId;
use crate::random::Random;
use crate::secret::Secret;
use crate::time::Time;
use liveness::{Acks, Liveness};
use outbox::Outbox;
use requests::Requests;
use sequence::Sequence;
use state::{State, Step};
use track::{Held, Tracks};

/// One session with a runtime, from hello to close, over as many transports as it takes.
#[derive(Clone)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    now: Time,
    state: State,
    session: Option<Session>,
    /// Failed attempts since the last welcome.
    attempt: u32,
    out: Outbox,
    requests: Requests,
    tracks: Tracks,
    held: Held,
    live: Liveness,
    /// When a welcome is too late; on the reading clock.
    greeting: Option<Time>,
    /// When `session.closed` is too late.
    closing: Option<Time>,
    /// The payload of a `session.close` that waits for credit.
    goodbye: Option<String>,
    close_id: Option<EnvelopeId>,
    pongs: VecDeque<Box<str>>,
    ping: bool,
    bad_frames: u32,
}

/// What outlives a transport.
#[derive(Clone)]
struct Session {
    id: String,
    token: Option<Secret>,
    features: Features,
    /// Whether the features are those of a former client, and the next welcome says which they are.
    taken_up: bool,
    /// Whether a former client had jobs in it, of which this one knows nothing.
    inherited: bool,
    seq: Sequence,
    acks: Acks,
}

impl Client {
    /// A client that waits for its first transport. The same seed and the same inputs give byte-identical outputs.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Time) -> Client {
        Client {
            config,
            random: Random::new(seed),
            now,
            state: State::Idle,
            session: None,
            attempt: 0,
            out: Outbox::default(),
            requests: Requests::default(),
            tracks: Tracks::default(),
            held: Held::default(),
            live: Liveness::default(),
            greeting: None,
            closing: None,
            goodbye: None,
            close_id: None,
            pongs: VecDeque::new(),
            ping: false,
            bad_frames: 0,
        }
    }

    /// A client that takes up a session of a former one, which is gone or is to be: its first hello resumes it (§6.3).
    /// It has no handles; [`Client::subscribe`] gives one for a job of the session, and what comes before that is passed
    /// over.
    pub fn resuming(config: ClientConfig, seed: [u8; 32], now: Time, point: ResumePoint) -> Client {
        let session = Session {
            id: point.session_id,
            token: Some(point.token),
            features: config.features,
            taken_up: true,
            inherited: true,
            seq: Sequence::after(point.last_event_seq),
            acks: Acks::default(),
        };
        Client { session: Some(session), ..Client::new(config, seed, now) }
    }

    /// What another client needs to take this one's session up, now and until the next resume. `None` before the first
    /// welcome, and where the runtime gave no token.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        let session = self.session.as_ref()?;
        Some(ResumePoint {
            session_id: session.id.clone(),
            token: session.token.clone()?,
            last_event_seq: session.seq.resume_from(),
        })
    }

    // The wire; `handle_frame` is in receive.rs.

    /// A transport is up: the hello goes out, with the resume of the session if there is one (§6.2, §6.3).
    /// A transport that was still up is taken as lost.
    pub fn handle_open(&mut self, now: Time) {
        self.clock(now);
        if self.state.connected() {
            self.lose(LostReason::Transport);
        }
        if !self.step(Step::Open) {
            return;
        }
        self.out.purge();
        let opened = self.out.clock.read(self.now);
        self.greeting = Some(opened.plus_micros(self.config.welcome_timeout));
        self.send_hello();
    }

    /// That many frames of [`ClientOutput::Send`] were given to the socket: credit returns. Too many is harmless.
    pub fn handle_sent(&mut self, now: Time, frames: usize) {
        self.clock(now);
        self.out.sent(frames);
        self.flush();
    }

    /// The transport is lost: asks for the next one with [`ClientOutput::Connect`], unless the client is closed.
    /// Late or repeated, with no transport up, it is ignored; a driver must not report an old transport's end once it
    /// has opened the next.
    pub fn handle_close(&mut self, now: Time) {
        self.clock(now);
        if self.state.connected() {
            self.out.purge();
            self.lose(LostReason::Transport);
        }
    }

    /// The peer closed the transport with this WebSocket code and it is lost: [`Client::handle_close`]. 1009, a message too
    /// big, is the largest request that is not answered yet: it fails, or the session would be lost with it for ever.
    pub fn handle_peer_close(&mut self, now: Time, code: u16) {
        const TOO_BIG: u16 = 1009;
        self.clock(now);
        if code == TOO_BIG
            && self.state.connected()
            && let Some((id, bytes)) = self.requests.largest_sent()
        {
            self.fail(id, RequestFailure::TooLarge { bytes });
        }
        self.handle_close(now);
    }

    /// An attempt to connect has failed: asks for the next one. Before the first `handle_open`, too.
    pub fn handle_connect_failed(&mut self, now: Time) {
        self.clock(now);
        if matches!(self.state, State::Idle | State::Lost) {
            self.lose(LostReason::Transport);
        }
    }

    /// The application took that many [`ClientOutput::Event`]s, in order. Until then they count against
    /// [`ClientConfig::events`] and are not acknowledged: this is the back-pressure. A driver that hands events on
    /// without waiting calls it at once; one whose application dropped a handle reports its events as taken.
    pub fn handle_taken(&mut self, now: Time, events: usize) {
        self.clock(now);
        self.out.taken(&self.config, self.now, events);
        if let Some(session) = &mut self.session
            && session.features.has(super::Feature::Ack)
        {
            let taken = self.out.processed(session.seq.last());
            session.acks.taken(self.config.auto_ack, taken, self.now);
            self.flush();
        }
    }

    /// Whether the driver may hand in the next frame: asked before each. False while the application has too many
    /// events to take; [`ClientOutput::Reading`] says when it is true again. The runtime's silence, and answers that do
    /// not come, do not count meanwhile.
    pub fn reading(&self) -> bool {
        !self.out.clock.paused()
    }

    /// The deadline of [`Client::poll_timeout`] has passed; early or for nothing is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.clock(now);
        let passed = |due: Option<Time>| due.is_some_and(|due| due <= now);
        if passed(self.greeting_due()) {
            self.drop_transport(1002, "no welcome in time");
            self.lose(LostReason::Greeting);
        }
        if passed(self.closing) {
            self.drop_transport(1000, "closed");
            self.done();
        }
        if self.state != State::Live {
            return;
        }
        if passed(self.silence_due()) {
            self.drop_transport(1001, "nothing was heard for two heartbeat intervals");
            self.lose(LostReason::Heartbeat);
            return;
        }
        if passed(self.live.ping_due()) {
            self.live.pinged(self.now);
            self.ping = true;
        }
        if passed(self.ack_due()) {
            self.ack_taken();
        }
        while let Some((due, id)) = self.requests.deadline()
            && passed(self.out.clock.real(due))
        {
            self.fail(id, RequestFailure::TimedOut);
        }
        while let Some((due, handle)) = self.tracks.settles()
            && passed(self.out.clock.real(due))
        {
            self.settle(handle);
        }
        self.flush();
    }

    // Out.

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.out.poll()
    }

    /// The next deadline and its reason.
    pub fn poll_timeout(&self) -> Option<(Time, ClientTimer)> {
        let live = |due: Option<Time>| due.filter(|_| self.state == State::Live);
        let answers = [self.requests.deadline().map(|(due, _)| due), self.tracks.settles().map(|(due, _)| due)];
        let answer = answers.into_iter().flatten().min().and_then(|due| self.out.clock.real(due));
        [
            (self.greeting_due(), ClientTimer::Greeting),
            (live(self.silence_due()), ClientTimer::Heartbeat),
            (live(self.live.ping_due()), ClientTimer::Heartbeat),
            (live(self.ack_due()), ClientTimer::Ack),
            (live(answer), ClientTimer::Request),
            (self.closing, ClientTimer::Closing),
        ]
        .into_iter()
        .filter_map(|(due, timer)| Some((due?, timer)))
        .min()
    }

    // Looking.

    /// The wire id of a handle's job, once it is known.
    pub fn job_id(&self, handle: HandleId) -> Option<&str> {
        self.tracks.id(handle).map(|id| &**id)
    }

    /// Bytes in all queues and tables, for tests that assert the bound.
    pub fn bytes_held(&self) -> usize {
        let pongs: usize = self.pongs.iter().map(|pong| pong.len()).sum();
        self.out
            .bytes_held()
            .saturating_add(self.requests.bytes())
            .saturating_add(self.tracks.bytes_held())
            .saturating_add(self.held.bytes_held())
            .saturating_add(pongs)
    }

    /// What the client was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.config).field("state", &self.state).finish_non_exhaustive()
    }
}
