//! The context is bound where a future is polled, whatever thread that is.

use futures_lite::future::{yield_now, zip};
use nuncio_shared::caracal::{current, in_current_context};

use super::caracal::CallError;
use super::support::{Server, application};
use crate::on::within;

fn session() -> Option<String> {
    current().and_then(|context| context.session().map(ToString::to_string))
}

#[test]
fn futures_that_are_polled_in_turns_keep_their_contexts_apart() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let (first, second) = (caracal.spawn().await.unwrap(), caracal.spawn().await.unwrap());
        let observe = || async {
            let mut seen = Vec::new();
            for _ in 0..10 {
                seen.push(session().unwrap());
                yield_now().await;
            }
            seen.dedup();
            seen
        };
        let both = zip(first.context().run(observe()), second.context().run(observe())).await;
        assert_eq!(both, (vec!["s-1".to_owned()], vec!["s-2".to_owned()]));
        assert_eq!(session(), None);
    });
}

#[test]
fn contexts_are_equal_if_they_act_for_the_same() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let (first, second) = (caracal.spawn().await.unwrap(), caracal.spawn().await.unwrap());
        let (of_first, of_second) = (first.context().clone(), second.context().clone());
        assert!(first.run(async { current() }).await == Some(of_first.clone()));
        assert!(of_first != of_second, "they are in different sessions");
    });
}

#[test]
fn a_spawned_task_has_the_context_that_it_was_given() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        scope
            .run(async {
                assert_eq!(smol::spawn(async { session() }).await, None);
                assert_eq!(smol::spawn(in_current_context(async { session() })).await.as_deref(), Some("s-1"));
                let task = tokio::spawn(in_current_context(async { session() }));
                assert_eq!(task.await.unwrap().as_deref(), Some("s-1"));
            })
            .await;
    });
}

#[test]
fn what_a_dropped_future_drops_sees_its_context() {
    struct Sees(std::sync::Arc<std::sync::Mutex<Option<String>>>);
    impl Drop for Sees {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = session();
        }
    }
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        let seen = std::sync::Arc::default();
        let witness = Sees(std::sync::Arc::clone(&seen));
        let mut future = Box::pin(scope.context().run(async move {
            let _witness = witness;
            std::future::pending::<()>().await;
        }));
        assert!(futures_lite::future::poll_once(&mut future).await.is_none());
        drop(future);
        assert_eq!(seen.lock().unwrap().as_deref(), Some("s-1"));
        assert_eq!(scope.context().call(session).as_deref(), Some("s-1"));
    });
}

#[test]
fn only_a_session_delegates() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let target = caracal.spawn().await.unwrap();
        let refused = caracal.delegate(target.session().clone()).scopes(["x"]).await.unwrap_err();
        assert_eq!(refused, CallError::NoSession);
        assert_eq!(coordinator.seen().len(), 1);
    });
}
