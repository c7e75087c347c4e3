//! Middleware: the context of each request of a server, and on the requests of a client.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use nuncio_shared::caracal::http_types::{HeaderMap, Request, Response, StatusCode};
use nuncio_shared::caracal::{Mandate, current};
use serde_json::{Value, json};
use tower_layer::Layer as _;
use tower_service::Service;

use super::caracal::{Caracal, ResourceBinding, TokenSource};
use super::issuer::Issuer;
use super::support::{Answer, Server, application, builder, token};
use crate::on::within;

/// What the handler behind the middleware has seen.
#[derive(Clone, Default)]
struct Handler {
    seen: Arc<Mutex<Vec<String>>>,
    headers: Arc<Mutex<HeaderMap>>,
}

impl Service<Request<()>> for Handler {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move {
            let session = current().map(|context| context.session().map(ToString::to_string).unwrap_or_default());
            let mandate = request.extensions().get::<Mandate>().map(|mandate| mandate.subject.clone());
            handler.seen.lock().unwrap().push(format!("{session:?} {mandate:?}"));
            *handler.headers.lock().unwrap() = request.headers().clone();
            Ok(Response::new(Bytes::from_static(b"handled")))
        })
    }
}

fn request(authorization: Option<&str>) -> Request<()> {
    let request = Request::get("http://service/").header("baggage", "caracal.agent_session=s-9,caracal.hop=1");
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    request.body(()).unwrap()
}

async fn answer<S: Service<Request<()>, Response = Response<Bytes>, Error = Infallible>>(
    service: &mut S,
    authorization: Option<&str>,
) -> (u16, String) {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    let response = service.call(request(authorization)).await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let (status, body) = (response.status(), String::from_utf8(response.body().to_vec()).unwrap());
    let expected = match status {
        StatusCode::UNAUTHORIZED if body.contains("missing_token") => Some("Bearer"),
        StatusCode::UNAUTHORIZED => Some(r#"Bearer error="invalid_token""#),
        StatusCode::FORBIDDEN => Some(r#"Bearer error="insufficient_scope""#),
        _ => None,
    };
    assert_eq!(challenge.as_deref(), expected, "{status} {body}");
    (status.as_u16(), body)
}

fn handled() -> (u16, String) {
    (200, "handled".to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, format!(r#"{{"error":"{code}"}}"#))
}

#[test]
fn each_request_is_handled_in_the_context_of_its_caller() {
    within(async {
        let coordinator = Server::coordinator();
        let handler = Handler::default();
        let mut service = application(&coordinator).layer().layer(handler.clone());
        assert_eq!(answer(&mut service, Some("Bearer caller")).await, handled());
        assert_eq!(answer(&mut service, None).await, refused(401, "missing_token"));
        assert_eq!(answer(&mut service, Some("Basic eA==")).await, refused(401, "missing_token"));
        assert_eq!(*handler.seen.lock().unwrap(), [r#"Some("s-9") None"#]);
        assert_eq!(current(), None);
    });
}

#[test]
fn anonymous_requests_have_no_context() {
    within(async {
        let coordinator = Server::coordinator();
        let handler = Handler::default();
        let mut service = application(&coordinator).layer().allow_anonymous().layer(handler.clone());
        assert_eq!(answer(&mut service, None).await, handled());
        assert_eq!(answer(&mut service, Some("Basic eA==")).await, refused(401, "missing_token"));
        assert_eq!(*handler.seen.lock().unwrap(), ["None None"]);
    });
}

#[test]
fn a_client_of_any_kind_carries_the_context() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = builder(&coordinator.url())
            .token(TokenSource::fixed(token("own")))
            .resource(ResourceBinding { resource: "resource://s".into(), prefix: "http://service".into() })
            .build()
            .unwrap();
        let handler = Handler::default();
        let mut client = caracal.client_layer().layer(handler.clone());
        let scope = caracal.spawn().await.unwrap();
        std::future::poll_fn(|cx| client.poll_ready(cx)).await.unwrap();
        // The call is made in the context, wherever its future is polled.
        let call = scope.context().call(|| client.call(Request::get("http://service/x").body(()).unwrap()));
        call.await.unwrap();
        let headers = handler.headers.lock().unwrap().clone();
        assert_eq!(headers["authorization"], "Bearer own");
        assert_eq!(headers["baggage"], "caracal.agent_session=s-1,caracal.hop=0");
    });
}

async fn verified(caracal: &Caracal, issuer: &Issuer, kid: &str, changes: Value) -> (u16, String) {
    let verifier = caracal.mandates(&issuer.server.url(), "https://sts", "service").unwrap();
    let verifier =
        verifier.scopes(["read"]).require_session().revoked(|mandate| mandate.anchors().any(|id| id == "gone"));
    let mut service = caracal.layer().verify(verifier).layer(Handler::default());
    answer(&mut service, Some(&format!("Bearer {}", issuer.token(kid, &changes)))).await
}

#[test]
fn mandates_are_verified() {
    within(async {
        let coordinator = Server::coordinator();
        let (caracal, issuer) = (application(&coordinator), Issuer::start());
        let verified = |changes: Value| verified(&caracal, &issuer, "k-1", changes);
        assert_eq!(verified(json!({})).await, handled());
        assert_eq!(verified(json!({"aud": ["other", "service"]})).await, handled());
        for (changes, status, code) in [
            (json!({"iss": "https://other"}), 401, "invalid_token"),
            (json!({"aud": "other"}), 401, "invalid_token"),
            (json!({"aud": null}), 401, "invalid_token"),
            (json!({"exp": 1}), 401, "invalid_token"),
            (json!({"exp": null}), 401, "invalid_token"),
            (json!({"sid": null}), 401, "invalid_token"),
            (json!({"jti": ""}), 401, "invalid_token"),
            (json!({"use": "session"}), 401, "invalid_token"),
            (json!({"zone_id": "z2"}), 401, "zone_mismatch"),
            (json!({"sid": "gone"}), 401, "token_revoked"),
            (json!({"delegation_edge_id": "gone"}), 401, "token_revoked"),
            (json!({"scope": "write readable"}), 403, "insufficient_scope"),
            (json!({"agent_session_id": null}), 403, "session_required"),
            (json!({"hop_count": 11}), 403, "hop_count_exceeded"),
            (json!({"delegation_chain": vec![json!({"app": "app-a"}); 11]}), 403, "hop_count_exceeded"),
            (json!({"delegation_chain": "app-a"}), 401, "invalid_token"),
        ] {
            assert_eq!(verified(changes.clone()).await, refused(status, code), "{changes}");
        }
    });
}

#[test]
fn mandates_are_for_their_targets_and_come_over_their_chain() {
    within(async {
        let coordinator = Server::coordinator();
        let (caracal, issuer) = (application(&coordinator), Issuer::start());
        let verified = async |changes: &Value| {
            let verifier = caracal.mandates(&issuer.server.url(), "https://sts", "service").unwrap();
            let verifier = verifier.targets(["resource://a"]).chain(["app-a", "app-b"]).epoch(|mandate| {
                // Only this zone's edges are known.
                (mandate.zone == "z1").then_some(7)
            });
            let mut service = caracal.layer().verify(verifier).layer(Handler::default());
            answer(&mut service, Some(&format!("Bearer {}", issuer.token("k-1", changes)))).await
        };
        let may = json!([{"app": "app-a", "session": "s-1", "edge": "e-1"}, {"app": "app-b"}]);
        let head = json!([{"application_id": "app-b"}, {"application_id": "app-a", "agent_session_id": "s-1"}]);
        let targets = json!(["resource://b", "resource://a"]);
        for chain in [may, head] {
            let good = json!({
                "target": targets, "delegation_chain": chain, "delegation_graph_epoch": 7, "delegation_edge_id": "e-1",
            });
            assert_eq!(verified(&good).await, handled());
        }
        let chain = json!([{"app": "app-a"}, {"app": "app-b"}]);
        for (targets, chain, epoch, status, code) in [
            (json!(["resource://b"]), chain.clone(), json!(7), 401, "target_mismatch"),
            (json!([]), chain.clone(), json!(7), 401, "target_mismatch"),
            (targets.clone(), json!([{"app": "app-a"}]), json!(7), 403, "chain_mismatch"),
            (targets.clone(), json!([{"session": "app-b"}]), json!(7), 403, "chain_mismatch"),
            (targets.clone(), chain.clone(), json!(6), 401, "delegation_stale"),
            (targets.clone(), chain, json!(null), 401, "delegation_stale"),
        ] {
            let claims = json!({
                "target": targets, "delegation_chain": chain, "delegation_graph_epoch": epoch, "delegation_edge_id": "e-1",
            });
            assert_eq!(verified(&claims).await, refused(status, code), "{claims}");
        }
    });
}

#[test]
fn tokens_of_other_keys_are_refused_and_keys_are_fetched_once() {
    within(async {
        let coordinator = Server::coordinator();
        let (caracal, issuer, other) = (application(&coordinator), Issuer::start(), Issuer::start());
        let verifier = caracal.mandates(&issuer.server.url(), "https://sts", "service").unwrap();
        let mut service = caracal.layer().verify(verifier).layer(Handler::default());
        let bearer = |token: String| format!("Bearer {token}");
        let good = bearer(issuer.token("k-1", &json!({})));
        for _ in 0..3 {
            assert_eq!(answer(&mut service, Some(&good)).await, handled());
        }
        let forged = bearer(other.token("k-1", &json!({})));
        assert_eq!(answer(&mut service, Some(&forged)).await, refused(401, "invalid_token"));
        let unknown = bearer(issuer.token("k-2", &json!({})));
        assert_eq!(answer(&mut service, Some(&unknown)).await, refused(401, "invalid_token"));
        let unsigned = "Bearer eyJhbGciOiJub25lIiwia2lkIjoiay0xIn0.e30.";
        assert_eq!(answer(&mut service, Some(unsigned)).await, refused(401, "invalid_token"));
        assert_eq!(issuer.server.seen().len(), 1, "an unknown key is not asked for more often than every 5 s");
    });
}

#[test]
fn without_the_keys_no_request_is_handled() {
    within(async {
        let coordinator = Server::coordinator();
        let (caracal, issuer) = (application(&coordinator), Issuer::start());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let broken = Server::start(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Answer::Reply { status: 500, headers: "", body: String::new() }
        });
        let verifier = caracal.mandates(&broken.url(), "https://sts", "service").unwrap();
        let mut service = caracal.layer().verify(verifier).layer(Handler::default());
        let good = format!("Bearer {}", issuer.token("k-1", &json!({})));
        for _ in 0..3 {
            assert_eq!(answer(&mut service, Some(&good)).await, refused(503, "keys_unavailable"));
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}
