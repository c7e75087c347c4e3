//! Our requests are those that the Python SDK 0.1.1 was recorded to send, but for its listed bugs.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::caracal::{ApplicationId, CallError, Constraints, Kind, NewEdge, SessionId, Ttl};
use super::support::{Answer, Seen, Server, application, reply};
use crate::on::within;

/// Reads a recorded message: its first line and its body.
fn recorded(number: &str, end: &str) -> (String, String, Vec<(String, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/caracal/fixtures/wire-0.1.1");
    let mut names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.starts_with(&format!("{number}-")) && name.ends_with(end)).unwrap();
    let text = std::fs::read_to_string(folder.join(name)).unwrap().replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    (first, body.trim_end().to_owned(), lines.map(|line| header(line).unwrap()).collect())
}

fn recorded_answer(number: &str) -> Answer {
    let (first, body, _) = recorded(number, ".resp.http");
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    reply(status, body)
}

/// Starts a coordinator that answers as it was recorded.
fn replay(numbers: &'static [&'static str]) -> Server {
    Server::start(|at, _| recorded_answer(numbers[at]))
}

/// Asserts that the requests are the recorded ones.
fn assert_recorded(seen: &[Seen], numbers: &[&str]) {
    assert_eq!(seen.len(), numbers.len(), "{seen:#?}");
    for (seen, number) in seen.iter().zip(numbers) {
        let (first, body, headers) = recorded(number, ".req.http");
        assert_eq!(format!("{} HTTP/1.1", seen.line), first, "{number}");
        assert_eq!(seen.body, body, "{number}");
        for name in ["authorization", "content-type", "content-length"] {
            let recorded = headers.iter().find(|(held, _)| held == name).map(|(_, value)| &**value);
            assert_eq!(seen.header(name), recorded, "{number}: {name}");
        }
        // B1: the recorded key makes one session of all children.
        assert_eq!(seen.header("idempotency-key"), None, "{number}");
    }
}

#[test]
fn a_scope_opens_and_terminates_a_session() {
    within(async {
        let numbers = &["01", "02"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let session = caracal.spawn().run(async { caracal.current().unwrap().session().unwrap().to_string() }).await;
        assert_eq!(session.unwrap(), "01a1fbd0-492c-722d-8ce2-f7cfa228fe66");
        assert_recorded(&coordinator.seen(), numbers);
    });
}

/// Metadata, whose members are sent in this order.
#[derive(serde::Serialize)]
struct Purpose {
    purpose: &'static str,
    u: &'static str,
}

#[test]
fn kind_lifetime_and_metadata_are_sent() {
    within(async {
        let numbers = &["03", "04"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let spawn = caracal.spawn().kind(Kind::Ephemeral).ttl(Duration::from_mins(10));
        spawn.metadata(&Purpose { purpose: "invoice-batch", u: "é" }).run(async {}).await.unwrap();
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn a_service_outlives_its_scope_and_is_terminated_by_name() {
    within(async {
        let numbers = &["05", "06"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let scope = caracal.spawn().kind(Kind::Service).await.unwrap();
        let session = scope.session().clone();
        scope.run(async {}).await;
        assert_eq!(coordinator.seen().len(), 1, "nothing is terminated");
        assert_eq!(caracal.terminate(session).await, Ok(false));
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn a_nested_session_has_the_outer_one_as_its_parent() {
    within(async {
        let numbers = &["07", "08", "09", "10"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let hops = caracal.spawn().run(async {
            let outer = caracal.current().unwrap();
            let inner = caracal.spawn().run(async { caracal.current().unwrap() }).await.unwrap();
            assert_eq!(inner.trace(), outer.trace(), "both belong to one trace");
            assert_eq!(caracal.current(), Some(outer), "the outer one is bound again");
            inner.hop().count()
        });
        assert_eq!(hops.await, Ok(0));
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn delegations_and_sessions_below_them() {
    within(async {
        let numbers = &["24", "25", "26", "28", "29", "30", "31", "33", "34"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let target = caracal.spawn().await.unwrap();
        let source = caracal.spawn().await.unwrap();
        let to = target.session().clone();
        let constraints = Constraints {
            resources: vec!["resource://payments".into()],
            actions: vec!["call".into()],
            max_depth: Some(2),
            ..Constraints::default()
        };
        source
            .run(async {
                let delegate = caracal.delegate(to.clone()).scopes(["payment:submit", "payment:read"]);
                let first = delegate.constraints(constraints).ttl(Duration::from_mins(5)).await.unwrap();
                assert_eq!(first.context().hop().count(), 1);
                first
                    .run(async {
                        let nested = caracal.delegate(to.clone()).scopes(["payment:read"]);
                        let nested = nested.ttl(Duration::from_mins(1)).await.unwrap();
                        assert_eq!(nested.context().parent_edge(), Some(&first.edge().edge));
                        assert_eq!(nested.context().hop().count(), 2);
                        let below = caracal.spawn().run(async { caracal.current().unwrap() }).await.unwrap();
                        assert_eq!((below.edge(), below.parent_edge()), (None, Some(&first.edge().edge)));
                        assert_eq!(below.hop().count(), 1);
                    })
                    .await;
                let refused = caracal.delegate(to.clone()).scopes(["x"]).await.unwrap_err();
                let CallError::Refused(fault) = refused else { panic!("{refused:?}") };
                assert!(fault.is("delegation_expiry_required"), "{fault}");
            })
            .await;
        target.close().await.unwrap();
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn an_edge_to_another_application_is_revoked() {
    within(async {
        let numbers = &["39", "40", "41", "42"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let source = caracal.spawn().await.unwrap();
        source
            .run(async {
                let to = SessionId::new("01a1fbd0-4d1b-765f-97ca-1baa74aec189").unwrap();
                let delegate = caracal.delegate(to).application(ApplicationId::new("app-b").unwrap()).scopes(["x"]);
                let delegation = delegate.ttl(Duration::from_mins(1)).await.unwrap();
                let revoked = delegation.revoke().await.unwrap();
                assert_eq!((revoked.edges, revoked.sessions, revoked.terminated), (1, 1, 1));
            })
            .await;
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn a_session_is_opened_with_an_edge_into_it() {
    within(async {
        let numbers = &["44", "45", "46", "47", "48"];
        let coordinator = replay(numbers);
        let caracal = application(&coordinator);
        let edge = NewEdge { scopes: vec!["payment:read".into()], ttl: Ttl::from_secs(120), ..NewEdge::default() };
        let context = caracal.spawn().run(async {
            let spawn = caracal.delegate_to_spawn(edge).ttl(Duration::from_secs(100));
            spawn.run(async { caracal.current().unwrap() }).await.unwrap()
        });
        let context = context.await.unwrap();
        assert_eq!(context.edge().unwrap().as_str(), "01a1fbd0-4d5d-708b-a4df-5a3e1320547f");
        assert_eq!((context.parent_edge(), context.hop().count()), (None, 1));
        assert_recorded(&coordinator.seen(), numbers);
    });
}

#[test]
fn refusals_name_the_status_and_the_code() {
    within(async {
        for (number, status, code) in [("66", 404, "parent_not_found"), ("70", 403, "application_ownership_required")] {
            let coordinator = Server::start(move |_, _| recorded_answer(number));
            let refused = application(&coordinator).spawn().await.unwrap_err();
            let CallError::Refused(fault) = refused else { panic!("{refused:?}") };
            assert_eq!((fault.status, fault.code.as_deref()), (status, Some(code)));
        }
        let coordinator = Server::coordinator();
        let empty = application(&coordinator).spawn().metadata(&json!([])).await.unwrap_err();
        assert!(matches!(empty, CallError::Metadata(_)), "{empty}");
        let zero = application(&coordinator).spawn().ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!(zero, CallError::Ttl);
    });
}
