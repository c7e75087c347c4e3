//! Calls over HTTP: connections, failures, repetitions.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::zip;

use super::caracal::{CallError, EdgeId, Generation, SessionId, TokenSource};
use super::support::{Answer, Server, application, builder, coordinator_answer, reply, token};
use crate::on::within;

#[test]
fn calls_share_a_connection_until_the_coordinator_closes_it() {
    within(async {
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let coordinator =
            Server::start(move |at, request| match (at, coordinator_answer(&sessions, &edges, request)) {
                (2, Answer::Reply { status, body, .. }) => Answer::ReplyAndClose(status, body),
                (_, answer) => answer,
            });
        let caracal = application(&coordinator);
        for _ in 0..3 {
            caracal.spawn().run(async {}).await.unwrap();
        }
        let connections: Vec<usize> = coordinator.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 0, 0, 1, 1, 1]);
    });
}

#[test]
fn edges_into_a_session_are_listed_and_ids_are_escaped() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = application(&coordinator);
        let edges = caracal.inbound(SessionId::new("s/1?x").unwrap()).await.unwrap();
        assert_eq!((edges.len(), edges[0].edge.as_str()), (1, "e-7"));
        assert_eq!(caracal.revoke(EdgeId::new("e 1").unwrap()).await.unwrap().edges, 1);
        assert_eq!(
            coordinator.lines(),
            ["GET /zones/z1/delegations/inbound/s%2F1%3Fx", "PATCH /zones/z1/delegations/e%201/revoke"]
        );
    });
}

#[test]
fn a_coordinator_that_is_not_there_is_named() {
    within(async {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let caracal =
            builder(&format!("http://{unused}/")).token(TokenSource::fixed(token("t"))).retries(0).build().unwrap();
        let CallError::Unreachable(reason) = caracal.spawn().await.unwrap_err() else { panic!("it is reached") };
        assert!(reason.contains(&unused.to_string()), "{reason}");
    });
}

#[test]
fn an_unavailable_coordinator_is_asked_again() {
    within(async {
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let busy = Answer::Reply { status: 503, headers: "retry-after: 0\r\n", body: String::new() };
        let coordinator = Server::start(move |at, request| match at {
            0 | 1 => busy.clone(),
            _ => coordinator_answer(&sessions, &edges, request),
        });
        let caracal = builder(&coordinator.url())
            .generation(Generation::Head)
            .token(TokenSource::fixed(token("t")))
            .build()
            .unwrap();
        caracal.spawn().await.unwrap().leave();
        let keys: Vec<_> =
            coordinator.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect();
        assert!(keys.len() == 3 && keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    });
}

#[test]
fn a_response_that_is_too_large_or_malformed_is_no_success() {
    within(async {
        let large = "x".repeat(2 << 20);
        for answer in [reply(201, large), reply(201, "{}"), reply(302, "")] {
            let coordinator = Server::start(move |_, _| answer.clone());
            let failed = application(&coordinator).spawn().await;
            assert!(failed.is_err(), "{failed:?}");
        }
    });
}

#[test]
fn a_slow_call_delays_no_other() {
    within(async {
        let hangs = AtomicUsize::new(0);
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let coordinator = Server::start(move |_, request| {
            if request.line.contains("/inbound/slow") {
                hangs.fetch_add(1, Ordering::Relaxed);
                return Answer::Hang;
            }
            coordinator_answer(&sessions, &edges, request)
        });
        let caracal = application(&coordinator);
        let mut slow = Box::pin(caracal.inbound(SessionId::new("slow").unwrap()));
        let (answered, spawned) = zip(futures_lite::future::poll_once(&mut slow), async {
            coordinator.await_requests(1).await;
            caracal.spawn().await
        })
        .await;
        assert!(answered.is_none() && spawned.is_ok());
    });
}

#[test]
fn plain_http_to_other_hosts_is_refused_on_demand() {
    let build = |url: &str| builder(url).token(TokenSource::fixed(token("t"))).require_tls().build();
    let refused = build("http://coordinator:4000").unwrap_err().to_string();
    assert_eq!(
        refused,
        "the URL of the coordinator is wrong: production requires https:// for hosts other than this one"
    );
    for url in ["https://coordinator:4000", "http://localhost:4000", "http://[::1]:4000"] {
        assert!(build(url).is_ok(), "{url}");
    }
}

#[test]
fn a_coordinator_is_asked_over_tls_on_connections_that_are_kept() {
    within(async {
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (coordinator, tls) = Server::start_tls(move |_, request| coordinator_answer(&sessions, &edges, request));
        let made = |tls| builder(&coordinator.url()).token(TokenSource::fixed(token("t"))).tls(tls).retries(0).build();
        let caracal = made(tls).unwrap();
        for _ in 0..2 {
            caracal.spawn().run(async {}).await.unwrap();
        }
        let connections: Vec<usize> = coordinator.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 0, 0, 0]);

        let (_, others) = Server::start_tls(|_, _| reply(200, ""));
        let refused = made(others).unwrap().spawn().await;
        assert!(matches!(refused, Err(CallError::Unreachable(_))), "an unknown certificate is refused: {refused:?}");
        assert_eq!(coordinator.seen().len(), 4);
    });
}
