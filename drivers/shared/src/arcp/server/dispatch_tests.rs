//! Tests of [`State`]: which outputs wait for records, what the timer is told, and who shares a lane.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Waker};

use nuncio_core::arcp::{AgentSpec, Config, Journaling, Resumed, RevocationId, StatusId};

use super::*;
use crate::arcp::server::action::Host;
use crate::arcp::server::post::Post;
use crate::io::by_hand::ByHand;
use crate::io::logged::logged;

const NOW: Time = Time(1_700_000_000_000_000);

/// Counts the hellos that are to be authenticated, and the requests for the state, and keeps the jobs whose agents start.
#[derive(Default)]
struct Asked {
    hellos: Cell<usize>,
    states: Cell<usize>,
    started: RefCell<Vec<Arc<Job>>>,
}

impl Host for Asked {
    fn authenticate(&self, _conn: ConnId, _claim: Claim) {
        self.hellos.set(self.hellos.get() + 1);
    }
    fn tell_status(&self, _request: StatusId) {
        self.states.set(self.states.get() + 1);
    }
    fn locate(&self, _conn: ConnId, _resumed: Resumed) {}
    fn want_slot(&self, _agent: &str) {}
    fn free_slot(&self, _agent: &str) {}
    fn provision(&self, _job: JobKey, _grant: Grant) {}
    fn revoke(&self, _id: RevocationId, _revocation: Revocation) {}
    fn replay(&self, _replay: Replay) {}
    fn start(&self, job: Arc<Job>, _parent: Span) {
        self.started.borrow_mut().push(job);
    }
    fn drained(&self) {}
}

/// With a journal that takes records and never says that they are durable.
fn state() -> State {
    let mut config = Config::default();
    config.journal = Journaling::Kept;
    config.operators.insert("alice".to_owned());
    State::new(Runtime::new(config, [7; 32], NOW), Some(0), false, Guests::new(0, Post::new(1)))
}

/// Without a journal, and with the agent `a`.
fn without_journal() -> State {
    let mut runtime = Runtime::new(Config::default(), [7; 32], NOW);
    runtime.register(AgentSpec::new("a")).unwrap();
    State::new(runtime, None, false, Guests::new(0, Post::new(1)))
}

impl State {
    fn receive(&mut self, conn: ConnId, frame: &str) -> Actions {
        let mut actions = Actions::default();
        self.runtime.handle_frame(NOW, conn, frame.as_bytes());
        self.dispatch(NOW, &mut actions);
        actions
    }

    /// Opens a session, whose welcome waits for the journal if there is one.
    fn login_as(&mut self, principal: &str) -> ConnId {
        let conn = self.open(NOW, Via::Memory, None, Peer::Stream("this process"), Arc::default());
        let hello = r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{
            "client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"},"capabilities":{"features":["x-vendor.nuncio.status","subscribe"]}}}"#;
        let asked = Asked::default();
        self.receive(conn, hello).perform(&asked);
        assert_eq!(asked.hellos.get(), 1);
        self.runtime.admit(NOW, conn, principal).unwrap();
        self.dispatch(NOW, &mut Actions::default());
        conn
    }

    fn login(&mut self) -> ConnId {
        let conn = self.login_as("alice");
        assert!(self.gate.held_for_connections() > 0);
        conn
    }

    /// Submits a job in a frame with this id, and returns it as its agent has it.
    fn submit(&mut self, conn: ConnId, id: &str) -> Arc<Job> {
        let asked = Asked::default();
        let submit = format!(r#"{{"arcp":"1.1","id":"{id}","type":"job.submit","payload":{{"agent":"a"}}}}"#);
        self.receive(conn, &submit).perform(&asked);
        let [job] = &asked.started.borrow()[..] else { panic!("one agent starts") };
        Arc::clone(job)
    }
}

#[test]
fn events_about_refused_frames_do_not_wait_for_the_journal() {
    let mut state = state();
    let conn = state.login();
    let before = state.gate.held_for_host();
    for _ in 0..50 {
        let actions = state.receive(conn, r#"{"arcp":"1.1","id":"2","type":"no.such","payload":{}}"#);
        assert_eq!(actions.len(), 1, "the refusal is logged");
    }
    assert_eq!(state.gate.held_for_host(), before);
}

/// What one input stores is committed together, whatever else waits: an agent's event and the note about it.
#[test]
fn records_do_not_wait_behind_events() {
    let mut state = state();
    state.login();
    assert!(state.gate.held_for_host() > 0, "an event waits for the first session's record");
    assert!(!state.take_records().is_empty());
    state.login();
    assert!(!state.take_records().is_empty(), "the second session's record does not wait with it");
}

#[test]
fn outputs_that_wait_for_a_connection_go_with_it() {
    let mut state = state();
    let conn = state.login();
    state.close(NOW, conn);
    state.dispatch(NOW, &mut Actions::default());
    assert_eq!(state.gate.held_for_connections(), 0);
}

#[test]
fn an_operator_is_told_the_state_while_the_journal_is_slow() {
    let mut state = state();
    let conn = state.login();
    let asked = Asked::default();
    let read = r#"{"arcp":"1.1","id":"2","type":"x-vendor.nuncio.read_status","payload":{}}"#;
    state.receive(conn, read).perform(&asked);
    assert_eq!(asked.states.get(), 1, "the question to the host does not wait");
}

/// A principal with many agents that do nothing but emit would otherwise have the processors for itself, if its events are
/// large after a few of them.
#[test]
fn after_large_events_all_agents_of_their_principal_wait_for_others() {
    let mut state = without_journal();
    let (alice, bob) = (state.login_as("alice"), state.login_as("bob"));
    let (emitting, beside, other) = (state.submit(alice, "2"), state.submit(alice, "3"), state.submit(bob, "2"));
    let (thread, mut cx) = (ByHand::default(), Context::from_waker(Waker::noop()));
    let goes_on = |job: &Job, cx: &mut Context<'_>| pin!(job.breathe(&thread)).poll(cx).is_ready();
    assert!([&emitting, &beside, &other].into_iter().all(|job| goes_on(job, &mut cx)));
    emitting.emitted(1 << 20, &thread);
    assert!(!goes_on(&emitting, &mut cx) && !goes_on(&beside, &mut cx));
    assert!(goes_on(&other, &mut cx), "the agents of others go on");
    (0..5).for_each(|_| thread.poll());
    assert!(goes_on(&beside, &mut cx), "the others have had their turns");
}

/// Waking it costs more than most inputs.
#[test]
fn the_timer_is_woken_for_a_nearer_deadline_only() {
    let mut state = state();
    let open = |state: &mut State, at| {
        state.open(at, Via::Memory, None, Peer::Stream("this process"), Arc::default());
        state.dispatch(at, &mut Actions::default());
    };
    open(&mut state, NOW);
    assert!(state.arm(), "there was no deadline before");
    let first = state.armed();
    assert!(!state.arm(), "it is known already");
    let later = NOW.plus_secs(1);
    open(&mut state, later);
    assert!(!state.arm(), "the deadline of the second hello is a later one");
    assert_eq!(state.armed(), first);
    state.expire(first);
    state.dispatch(first, &mut Actions::default());
    assert!(state.arm(), "the first hello is late, and the second one is not yet");
    assert_eq!(state.armed(), first.plus_secs(1));
}

impl State {
    /// What is logged because of an input at this time.
    fn logs(&mut self, at: Time, input: impl FnOnce(&mut State)) -> String {
        let mut actions = Actions::default();
        input(self);
        self.dispatch(at, &mut actions);
        logged(|| actions.perform(&Asked::default()))
    }
}

fn assert_says(line: &str, words: &[&str]) {
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
}

#[test]
fn the_log_says_what_becomes_of_a_session() {
    let frame =
        |conn, text: &'static str| move |state: &mut State| state.runtime.handle_frame(NOW, conn, text.as_bytes());
    let mut state = without_journal();
    let conn = state.open(NOW, Via::Memory, None, Peer::Stream("this process"), Arc::default());
    let hello = r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{
        "client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t0ken"},"capabilities":{"features":[]}}}"#;
    assert_eq!(state.logs(NOW, frame(conn, hello)), "");
    let line = state.logs(NOW, |state| state.runtime.admit(NOW, conn, "alice").unwrap());
    let words =
        [" INFO the session is live", "session=sess_", "principal=\"alice\"", "resumed=false", "peer=this process"];
    assert_says(&format!(" {line}"), &words);
    let line = state.logs(NOW, |state| state.close(NOW, conn));
    assert_says(&line, &["the session has no connection; it can be resumed", "session=sess_", "peer=this process"]);
    let (lapsed, _) = state.runtime.poll_timeout().unwrap();
    let line = state.logs(lapsed, |state| state.expire(lapsed));
    assert_says(&line, &["the session is closed", "session=sess_"]);
    // A client that takes its leave.
    let conn = state.login_as("alice");
    let line = state.logs(NOW, frame(conn, r#"{"arcp":"1.1","id":"2","type":"session.close","payload":{}}"#));
    assert_says(&line, &["the client has closed the session; it can be resumed", "peer=this process"]);
}

#[test]
fn the_log_says_who_asks_for_a_job_and_that_it_is_cancelled() {
    let mut state = without_journal();
    let (alice, again, bob) = (state.login_as("alice"), state.login_as("alice"), state.login_as("bob"));
    let job = state.submit(alice, "2");
    let decided = [(again, "alice", "a client follows a job"), (bob, "bob", "a client may not follow a job")];
    for (conn, principal, sentence) in decided {
        let id = &job.info.id;
        let frame = format!(r#"{{"arcp":"1.1","id":"3","type":"job.subscribe","payload":{{"job_id":"{id}"}}}}"#);
        let said = state.logs(NOW, |state| state.runtime.handle_frame(NOW, conn, frame.as_bytes()));
        let line = said.lines().find(|line| line.contains(sentence)).unwrap_or_default();
        assert_says(line, &[&format!("principal=\"{principal}\""), "owner=\"alice\"", &format!("job={id}")]);
        assert!(!line.contains("granted"), "the sentence says it: {line}");
    }
    let frame = format!(
        r#"{{"arcp":"1.1","id":"4","type":"job.cancel","payload":{{"job_id":"{}","reason":"enough"}}}}"#,
        job.info.id
    );
    let line = state.logs(NOW, |state| state.runtime.handle_frame(NOW, alice, frame.as_bytes()));
    assert_says(&line, &["the job is being cancelled", &format!("job={}", job.info.id), "peer="]);
    assert!(job.cancellation().is_cancelled());
    assert_eq!(job.cancel_reason(), Some("enough"));
}

/// The machine is told of every step, and the log of those that are longer than a second.
#[test]
fn the_log_says_that_the_wall_clock_was_set() {
    let mut state = without_journal();
    state.begin_clock(Reading { now: NOW, wall: NOW });
    let mut read = |after: u64, ahead: u64| {
        let reading = Reading { now: NOW.plus_secs(after), wall: NOW.plus_secs(after).plus_millis(ahead) };
        let mut actions = Actions::default();
        assert_eq!(state.read_clock(reading, &mut actions), reading.now);
        (logged(|| actions.perform(&Asked::default())), state.wall_at(reading.now))
    };
    assert_eq!(read(1, 500), (String::new(), NOW.plus_secs(1).plus_millis(500)));
    let (line, shown) = read(2, 60_500);
    assert_eq!(shown, NOW.plus_secs(62).plus_millis(500));
    assert_says(&line, &["WARN", "the wall clock was set", "+60.000", &shown.to_rfc3339()]);
}
