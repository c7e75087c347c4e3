//! Tests of [`State`]: which outputs wait for records, and which do not.

use std::cell::Cell;

use nuncio_core::arcp::{Config, Journaling, Resumed, RevocationId, StatusId};

use super::*;
use crate::arcp::server::action::Host;
use crate::arcp::server::post::Post;

const NOW: Time = Time(1_700_000_000_000_000);

/// Counts the hellos that are to be authenticated, and the requests for the state.
#[derive(Default)]
struct Asked {
    hellos: Cell<usize>,
    states: Cell<usize>,
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
    fn start(&self, _job: Arc<Job>, _parent: Span) {}
    fn drained(&self) {}
}

/// With a journal that takes records and never says that they are durable.
fn state() -> State {
    let mut config = Config::default();
    config.journal = Journaling::Kept;
    config.operators.insert("alice".to_owned());
    State::new(Runtime::new(config, [7; 32], NOW), Some(0), false, Guests::new(0, Post::new(1)))
}

impl State {
    fn receive(&mut self, conn: ConnId, frame: &str) -> Actions {
        let mut actions = Actions::default();
        self.runtime.handle_frame(NOW, conn, frame.as_bytes());
        self.dispatch(NOW, &mut actions);
        actions
    }

    /// Opens a session, whose welcome waits for the journal.
    fn login(&mut self) -> ConnId {
        let conn = self.open(NOW, Via::Memory, None, Peer::Stream("this process"), Arc::default());
        let hello = r#"{"arcp":"1.1","id":"1","type":"session.hello","payload":{
            "client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"},"capabilities":{"features":["x-vendor.nuncio.status"]}}}"#;
        let asked = Asked::default();
        self.receive(conn, hello).perform(&asked);
        assert_eq!(asked.hellos.get(), 1);
        self.runtime.admit(NOW, conn, "alice").unwrap();
        self.dispatch(NOW, &mut Actions::default());
        assert!(self.gate.held_for_connections() > 0);
        conn
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
