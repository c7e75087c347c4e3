//! The client of ARCP: one session of one application.
//!
//! ```text
//!                  commands.rs                    answer.rs, deliver.rs
//!   application --------------> Requests, Jobs <-------------------------+
//!        ^                           |                                   |
//!        |                           | send.rs                           | receive.rs, welcome.rs
//!        |                           v                                   |
//!        +---------- events ------ Outbox ------ frames ------> transport (driver) <--> runtime
//! ```
//!
//! [`Client`] is composed of components, each of which owns its state:
//!
//! | Component   | File           | State                                                             |
//! |-------------|----------------|-------------------------------------------------------------------|
//! | `State`     | `state.rs`     | the phase of the client, attempts to connect                      |
//! | `Session`   | `session.rs`   | id, token and features; the runtime's row of switches (`peer.rs`); event numbers (`sequence.rs`), acknowledgements (`acks.rs`) |
//! | `Transport` | `transport.rs` | deadlines and signs of life of the present transport              |
//! | `Requests`  | `requests.rs`  | what is queued, and what was sent and not answered                |
//! | `Jobs`      | `jobs.rs`      | jobs and handles, streamed results (`chunks.rs`), ended jobs (`retired.rs`) |
//! | `Held`      | `held.rs`      | frames of jobs that are not known yet                             |
//! | `Silence`   | `silence.rs`   | jobs that the runtime is silent about, and is asked about         |
//! | `Goodbye`   | `goodbye.rs`   | the end of the session that the application asked for             |
//! | `Outbox`    | `outbox.rs`    | outputs, credit, events that were not taken, and the clock of reading (`clock.rs`) |
//!
//! The session goes on over any number of transports. Every event reaches the application once and in order, by its
//! number in the session, and unanswered requests are sent again after a resume. The client gets along with every
//! deployed runtime; where they deviate from the specification, the rules are in the section "The client" of
//! `core/docs/arcp.md`.

mod acks;
mod answer;
mod begin;
mod chunks;
mod clock;
mod commands;
mod config;
mod deliver;
mod event;
mod fail;
mod goodbye;
mod held;
mod inquire;
mod jobs;
mod lifecycle;
mod outbox;
mod peer;
mod questions;
mod receive;
mod renew;
mod requests;
mod retired;
mod send;
mod sequence;
mod session;
mod session_list;
mod silence;
mod state;
mod status;
mod timeout;
mod transport;
mod types;
mod welcome;

use core::fmt;

pub use config::{AutoAck, ClientConfig, ClientLimits};
pub use event::{ClientEvent, ClientOutput, ClientTimer, CloseReason, Failed, LostReason, RequestFailure};
pub use types::{
    ChunkEvent, ClientRefused, HandleId, JobEvent, Outcome, OutcomeSource, Product, RequestId, ResumePoint, Welcome,
};

pub use super::wire::reply::read::{
    Accepted, AgentInfo, AnsweredQuestion, AskedQuestion, EventKind, JobPage, JobRow, ListedEnd, OpenQuestion,
    QuestionOutcome, QuestionPage, Raw, RemoteFault, Rotation, SessionPage, SessionRow, Subscribed,
};
pub use super::wire::request::args::{ListQuery, QuestionQuery, SessionQuery, SubmitArgs, Subscribe};
use crate::random::Random;
use crate::time::Time;
use goodbye::Goodbye;
use held::Held;
use jobs::Jobs;
use outbox::Outbox;
use peer::Peer;
use requests::Requests;
use session::Session;
use silence::Silence;
use state::State;
use transport::Transport;

/// One session with a runtime, from its hello to its close, over any number of transports.
///
/// A driver reports what the transport does with the `handle_*` methods and acts on every output. It asks
/// [`Client::reading`] before it hands in a frame, and calls [`Client::handle_timeout`] at [`Client::poll_timeout`].
///
/// ```
/// use nuncio_core::arcp::client::SubmitArgs;
/// use nuncio_core::arcp::{Client, ClientConfig, ClientOutput, Secret};
/// use nuncio_core::time::Time;
///
/// let now = Time(1_779_000_000_000_000);
/// let mut client = Client::new(ClientConfig::new(Secret::new("token")), [7; 32], now);
/// let handle = client.submit(now, &SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() })?;
///
/// // The transport is up: the hello goes out. The submit waits for the welcome.
/// client.handle_open(now);
/// let Some(ClientOutput::Send(hello)) = client.poll_output() else { panic!("no hello") };
/// assert!(std::str::from_utf8(&hello)?.contains("session.hello"));
/// client.handle_sent(now, 1);
/// assert!(client.poll_output().is_none());
/// assert_eq!(client.job_id(handle), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    now: Time,
    state: State,
    session: Option<Session>,
    transport: Transport,
    requests: Requests,
    jobs: Jobs,
    held: Held,
    silence: Silence,
    goodbye: Option<Goodbye>,
    /// The refusal of the token, until a newer one is handed in.
    refused_token: Option<RemoteFault>,
    outbox: Outbox,
}

impl Client {
    /// Creates a client that waits for its first transport.
    ///
    /// The same seed and the same inputs give byte-identical outputs.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Time) -> Client {
        Client {
            config,
            random: Random::new(seed),
            now,
            state: State::new(),
            session: None,
            transport: Transport::default(),
            requests: Requests::default(),
            jobs: Jobs::default(),
            held: Held::default(),
            silence: Silence::default(),
            goodbye: None,
            refused_token: None,
            outbox: Outbox::default(),
        }
    }

    /// Creates a client that resumes the session of a former client with its first hello (§6.3).
    ///
    /// The client has no handles. [`Client::subscribe`] gives it one for a job of the session; events of jobs without a
    /// handle are passed over.
    pub fn resuming(config: ClientConfig, seed: [u8; 32], now: Time, point: ResumePoint) -> Client {
        let session = Session::inherit(point, config.features);
        Client { session: Some(session), ..Client::new(config, seed, now) }
    }

    /// Returns what another client needs to resume this client's session. It is valid until the next resume.
    ///
    /// Returns `None` before the first welcome, and if the runtime gave no resume token.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        self.session.as_ref()?.resume_point()
    }

    /// Returns the id of a handle's job on the wire, once it is known.
    pub fn job_id(&self, handle: HandleId) -> Option<&str> {
        self.jobs.id(handle).map(|id| &**id)
    }

    /// Returns the settings that the client was created with.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Returns the next output. Outputs must be acted on in this order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outbox.poll()
    }

    /// Returns whether the driver may hand in another frame. A driver asks before each one.
    ///
    /// This is false while the application has too many events to take; [`ClientOutput::Reading`] reports when it is
    /// true again. In the meantime the runtime is not expected to send signs of life and answers.
    pub fn reading(&self) -> bool {
        !self.outbox.clock().is_paused()
    }

    /// Reports that the application took some of the [`ClientOutput::Event`]s, in their order.
    ///
    /// Until then they count against [`ClientLimits::events`] and are not acknowledged, which holds back the runtime. A
    /// driver without a queue of its own calls this as soon as it hands an event on. Events of a handle that the
    /// application has dropped must be reported as taken too.
    pub fn handle_taken(&mut self, now: Time, events: usize) {
        self.advance(now);
        self.outbox.taken(&self.config.limits, self.now, events);
        if let Some(session) = &mut self.session {
            let taken = self.outbox.taken_up_to(session.last_seq());
            session.taken(self.config.auto_ack, taken, self.now);
        }
        self.flush();
    }

    /// Returns the number of bytes in all queues and tables, for tests that assert their bound.
    pub fn bytes_held(&self) -> usize {
        self.outbox
            .bytes_held()
            .saturating_add(self.requests.bytes_held())
            .saturating_add(self.jobs.bytes_held())
            .saturating_add(self.held.bytes_held())
            .saturating_add(self.silence.bytes_held())
            .saturating_add(self.transport.bytes_held())
    }

    /// Takes the present time of an input. Time never steps back.
    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Emits an event. `bytes` is the size of the frame that it holds, 0 for none.
    fn emit(&mut self, event: ClientEvent, bytes: usize) {
        let before = self.last_seq();
        self.outbox.event(&self.config.limits, self.now, event, before, bytes);
    }

    /// Returns the runtime, as far as a welcome has shown it.
    fn peer(&self) -> Peer {
        self.session.as_ref().map_or(Peer::UNKNOWN, Session::peer)
    }

    /// Returns the number up to which all events came before the one with this number; 0 stands for none.
    fn before(&self, seq: u64) -> u64 {
        let last = self.last_seq();
        if seq == 0 { last } else { last.min(seq.saturating_sub(1)) }
    }

    /// Returns the highest number up to which all events were received or given up.
    fn last_seq(&self) -> u64 {
        self.session.as_ref().map_or(0, Session::last_seq)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.config).field("state", &self.state).finish_non_exhaustive()
    }
}
