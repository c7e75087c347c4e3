//! Sessions end with their scopes.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use futures_lite::FutureExt as _;
use futures_lite::future::{or, yield_now, zip};

use super::caracal::{ActiveContext, CallError, CallFailure, Lifecycle, NewEdge, TokenSource};
use super::support::{Answer, Server, application, builder, coordinator_answer, reply, token};
use crate::on::within;

const SPAWN: &str = "POST /zones/z1/agents";
const END: &str = "DELETE /zones/z1/agents/s-1";

#[test]
fn success_error_and_panic_terminate_the_session() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        assert_eq!(scope.run(async { Err::<(), _>("boom") }).await, Err("boom"));
        assert_eq!(coordinator.lines(), [SPAWN, END]);

        let scope = caracal.spawn().await.unwrap();
        let panics = AssertUnwindSafe(scope.run(async { panic!("boom") })).catch_unwind().await;
        assert_eq!(panics.unwrap_err().downcast_ref::<&str>(), Some(&"boom"));
        assert_eq!(coordinator.lines()[3], "DELETE /zones/z1/agents/s-2");
    });
}

#[test]
fn a_cancelled_scope_is_terminated() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        or(scope.run(pending()), yield_now()).await;
        coordinator.await_requests(2).await;
        assert_eq!(coordinator.lines(), [SPAWN, END]);
    });
}

#[test]
fn close_awaits_the_terminations_of_dropped_scopes() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        for _ in 0..20 {
            drop(caracal.spawn().await.unwrap());
        }
        caracal.close().await;
        let ended = coordinator.lines().iter().filter(|line| line.starts_with("DELETE")).count();
        assert_eq!(ended, 20);
        let refused = caracal.spawn().await.unwrap_err();
        assert!(matches!(refused, CallError::Client(_)), "{refused}");
    });
}

#[test]
fn a_scope_outlives_the_application_handle() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        drop(caracal);
        drop(scope);
        coordinator.await_requests(2).await;
        assert_eq!(coordinator.lines(), [SPAWN, END]);
    });
}

#[test]
fn a_termination_that_fails_never_replaces_the_output() {
    within(async {
        for answer in [reply(403, r#"{"error":"application_ownership_required"}"#), reply(404, "{}")] {
            let coordinator =
                Server::start(move |at, _| if at == 0 { reply(201, r#"{"id":"s-1"}"#) } else { answer.clone() });
            let scope = application(&coordinator).spawn().await.unwrap();
            assert_eq!(scope.run(async { Err::<(), _>("boom") }).await, Err("boom"));
        }
        let refusing = Server::start(|at, _| if at == 0 { reply(201, r#"{"id":"s-1"}"#) } else { reply(403, "{}") });
        let closed = application(&refusing).spawn().await.unwrap().close().await;
        assert!(matches!(closed, Err(CallError::Refused(_))), "`close` reports it: {closed:?}");
        let gone = Server::start(|at, _| if at == 0 { reply(201, r#"{"id":"s-1"}"#) } else { reply(404, "{}") });
        assert_eq!(application(&gone).spawn().await.unwrap().close().await, Ok(()), "it had ended before");
    });
}

#[test]
fn a_session_that_is_no_longer_wanted_is_terminated_once_it_is_open() {
    within(async {
        let (release, released) = smol::channel::bounded::<()>(1);
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let coordinator = Server::start(move |at, request| {
            if at == 0 {
                released.recv_blocking().unwrap();
            }
            coordinator_answer(&sessions, &edges, request)
        });
        let caracal = application(&coordinator);
        let mut opening = Box::pin(caracal.spawn().into_future());
        let sent = async {
            coordinator.await_requests(1).await;
        };
        or(async { drop(opening.as_mut().await) }, sent).await;
        drop(opening);
        release.send(()).await.unwrap();
        coordinator.await_requests(2).await;
        assert_eq!(coordinator.lines(), [SPAWN, END]);
    });
}

#[test]
fn a_session_that_is_left_goes_on() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        assert_eq!(caracal.spawn().await.unwrap().leave().as_str(), "s-1");
        caracal.close().await;
        assert_eq!(coordinator.lines(), [SPAWN]);
    });
}

#[test]
fn siblings_are_sessions_of_their_own() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let outer = caracal.spawn().await.unwrap();
        let children = outer.run(async { zip(caracal.spawn().into_future(), caracal.spawn().into_future()).await });
        let (first, second) = children.await;
        assert_ne!(first.unwrap().session(), second.unwrap().session());
        assert!(coordinator.seen().iter().all(|seen| seen.header("idempotency-key").is_none()));
    });
}

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Lifecycle for Heard {
    fn started(&self, context: &ActiveContext) {
        self.0.lock().unwrap().push(format!("started {}", context.session().unwrap()));
    }

    fn ending(&self, context: &ActiveContext) {
        self.0.lock().unwrap().push(format!("ending {}", context.session().unwrap()));
    }
}

struct Panics;

impl Lifecycle for Panics {
    fn started(&self, _: &ActiveContext) {
        panic!("started");
    }

    fn ending(&self, _: &ActiveContext) {
        panic!("ending");
    }
}

#[test]
fn hooks_hear_of_sessions_and_cannot_keep_them_open() {
    within(async {
        let coordinator = Server::coordinator();
        let heard = Heard::default();
        let caracal = builder(&coordinator.url())
            .token(TokenSource::fixed(token("t")))
            .hook(Panics)
            .hook(heard.clone())
            .build()
            .unwrap();
        caracal.spawn().run(async {}).await.unwrap();
        assert_eq!(*heard.0.lock().unwrap(), ["started s-1", "ending s-1"]);
        assert_eq!(coordinator.lines(), [SPAWN, END]);
    });
}

#[test]
fn a_failed_edge_leaves_no_session_behind() {
    within(async {
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let coordinator = Server::start(move |_, request| {
            if request.line.ends_with("/delegations") {
                return reply(403, r#"{"error":"issuer_ownership_required"}"#);
            }
            coordinator_answer(&sessions, &edges, request)
        });
        let caracal = application(&coordinator);
        let outer = caracal.spawn().await.unwrap();
        let failed = outer.context().run(caracal.delegate_to_spawn(NewEdge::default()).into_future()).await;
        assert!(matches!(failed, Err(CallError::Refused(_))), "{failed:?}");
        coordinator.await_requests(4).await;
        assert_eq!(coordinator.lines()[3], "DELETE /zones/z1/agents/s-2");
    });
}

#[test]
fn a_spawn_without_an_answer_is_reported_as_uncertain() {
    within(async {
        let coordinator = Server::start(|_, _| Answer::Close);
        let failed = application(&coordinator).spawn().await.unwrap_err();
        assert_eq!(failed, CallError::Failed(CallFailure::Uncertain));
        assert_eq!(coordinator.seen().len(), 1, "0.1 does not recognise a repetition");
    });
}
