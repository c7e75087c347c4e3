//! The transition tables of the machines, every (state × event).

use std::fmt::{Debug, Write as _};

use nuncio_core::arcp::{ConnEvent, ConnState, JobEvent, JobState, SessionEvent, SessionState};

fn table<S: Copy + Debug, E: Copy + Debug>(states: &[S], events: &[E], next: impl Fn(S, E) -> Option<S>) -> String {
    let mut out = String::new();
    for state in states {
        for event in events {
            let to = next(*state, *event).map_or("-".to_owned(), |to| format!("{to:?}"));
            writeln!(out, "{:<15}{:<12}-> {to}", format!("{state:?}"), format!("{event:?}")).expect("a String");
        }
    }
    out
}

#[test]
fn s7_3_job() {
    insta::assert_snapshot!(table(&JobState::ALL, &JobEvent::ALL, JobState::next));
}

#[test]
fn s7_3_terminal_states_have_no_exit() {
    for state in [JobState::Success, JobState::Error, JobState::Cancelled, JobState::TimedOut, JobState::Gone] {
        for event in JobEvent::ALL {
            assert_eq!(state.next(event), None, "{state:?} {event:?}");
        }
    }
}

#[test]
fn s7_4_a_cancelled_job_can_only_end_cancelled() {
    for event in JobEvent::ALL {
        let next = JobState::Cancelling.next(event);
        assert!(matches!(next, None | Some(JobState::Cancelled)), "{event:?} leads to {next:?}");
    }
}

#[test]
fn s6_3_session() {
    insta::assert_snapshot!(table(&SessionState::ALL, &SessionEvent::ALL, SessionState::next));
}

#[test]
fn s6_connection() {
    insta::assert_snapshot!(table(&ConnState::ALL, &ConnEvent::ALL, ConnState::next));
}
