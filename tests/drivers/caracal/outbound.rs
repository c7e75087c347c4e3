//! The context on calls of other services (§1.3, §1.5).

use nuncio_shared::caracal::http_types::{HeaderMap, Request};

use super::caracal::{Caracal, InjectError, Injected, ResourceBinding, TokenSource, TransportError};
use super::support::{Server, builder, reply, token};
use crate::on::within;

/// An application with a gateway and four resources, as in the recordings 55 to 63.
fn routed(coordinator: &Server) -> Caracal {
    let binding = |resource: &str, prefix: &str| ResourceBinding { resource: resource.into(), prefix: prefix.into() };
    builder(&coordinator.url())
        .token(TokenSource::fixed(token("jwt-placeholder")))
        .gateway("http://gateway:14300/base")
        .resource(binding("resource://inventory", "http://upstream:14200"))
        .resource(binding("resource://inv-v2", "http://upstream:14200/v2"))
        .resource(binding("resource://other", "http://other:1/p/"))
        .build()
        .unwrap()
}

async fn injected(caracal: &Caracal, request: Request<()>) -> (Injected, String, HeaderMap) {
    let mut request = request;
    let injected = caracal.inject(&mut request).await.unwrap();
    (injected, request.uri().to_string(), request.headers().clone())
}

#[test]
fn calls_of_resources_go_through_the_gateway() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        scope
            .run(async {
                let get = |url: &str| Request::get(url);
                for (request, url, resource) in [
                    (get("http://upstream:14200/items?q=a%20b"), "/base/items?q=a%20b", "resource://inventory"),
                    (get("http://upstream:14200/v2/items"), "/base/items", "resource://inv-v2"),
                    (get("http://upstream:14200/v2x/items"), "/base/v2x/items", "resource://inventory"),
                    (get("http://other:1/p/a/b"), "/base/a/b", "resource://other"),
                    (
                        get("http://upstream:14200/x").header("X-Caracal-Resource", "resource://unbound"),
                        "/base/x",
                        "resource://unbound",
                    ),
                    (
                        get("http://upstream:14200/items").header("authorization", "Bearer caller"),
                        "/base/items",
                        "resource://inventory",
                    ),
                ] {
                    let (injected, uri, headers) = injected(&caracal, request.body(()).unwrap()).await;
                    assert_eq!(injected, Injected::Context);
                    assert_eq!(uri, format!("http://gateway:14300{url}"));
                    // B5: the recordings lose the port.
                    assert_eq!(headers["host"], "gateway:14300");
                    assert_eq!(headers["x-caracal-resource"], resource);
                    assert_eq!(headers["authorization"], "Bearer jwt-placeholder");
                    assert_eq!(headers["baggage"], "caracal.agent_session=s-1,caracal.hop=0");
                    assert_eq!(headers["traceparent"].len(), 55);
                }
            })
            .await;
    });
}

#[test]
fn other_servers_do_not_learn_the_context() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        for url in ["http://elsewhere/third-party", "http://upstream:14201/items", "https://upstream:14200/items"] {
            let (injected, uri, headers) = injected(&caracal, Request::get(url).body(()).unwrap()).await;
            assert_eq!((injected, &*uri, headers.len()), (Injected::Nothing, url, 0));
        }
        let mut traversal = Request::get("http://upstream:14200/v2/%2e%2e/admin").body(()).unwrap();
        let refused = caracal.inject(&mut traversal).await;
        assert!(matches!(refused, Err(InjectError::Url(_))), "{refused:?}");
    });
}

#[test]
fn what_the_caller_has_set_stays() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = Request::get("http://gateway:14300/base/items")
            .header("authorization", "Bearer caller")
            .header("traceparent", traceparent)
            .header("baggage", "tenant=acme");
        let (_, uri, headers) = injected(&caracal, request.body(()).unwrap()).await;
        assert_eq!(uri, "http://gateway:14300/base/items");
        assert_eq!(headers["authorization"], "Bearer caller");
        assert_eq!(headers["traceparent"], traceparent);
        assert_eq!(headers["baggage"], "caracal.hop=0,tenant=acme", "members are merged");
    });
}

#[test]
fn an_inbound_context_is_passed_on_with_the_callers_token() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        let inbound = Request::get("/")
            .header("authorization", "Bearer inbound-tok")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .header(
                "baggage",
                "caracal.agent_session=as%2F1,caracal.delegation_edge=e-1,caracal.parent_edge=e-0,caracal.hop=3",
            )
            .body(())
            .unwrap();
        let context = caracal.bind_from_headers(inbound.headers()).unwrap();
        let headers = HeaderMap::from(context.run(caracal.headers()).await.unwrap());
        assert_eq!(headers["authorization"], "Bearer inbound-tok");
        assert_eq!(headers["baggage"], inbound.headers()["baggage"]);
        let traceparent = headers["traceparent"].to_str().unwrap();
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{traceparent}");
        assert_ne!(headers["traceparent"], inbound.headers()["traceparent"], "the span is another one");

        // B8: a session that is opened meanwhile is not put below the caller's.
        let child = context.run(caracal.spawn().into_future()).await.unwrap();
        assert_eq!(child.context().token().expose(), "jwt-placeholder");

        // B7: it would run as the application itself.
        assert!(caracal.bind_from_headers(&HeaderMap::new()).is_err());
    });
}

#[test]
fn headers_take_the_place_of_those_that_a_request_has() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        let headers = caracal.headers().await.unwrap();
        assert!(!format!("{headers:?}").contains("jwt-placeholder"), "{headers:?}");
        assert_eq!((headers.get("tracestate"), headers.get("host")), (None, None));
        let mut request = Request::get("http://inventory/")
            .header("authorization", "Bearer caller")
            .header("baggage", "a=1")
            .header("baggage", "b=2")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        headers.clone().set(request.headers_mut());
        let set = request.headers();
        assert_eq!(set.len(), 4, "{set:?}");
        for name in ["authorization", "baggage", "traceparent"] {
            assert_eq!(set[name].to_str().ok(), headers.get(name), "{name}");
        }
        assert!(set["authorization"].is_sensitive());
        assert_eq!(set["accept"], "*/*");
    });
}

#[test]
fn headers_outside_a_session_have_the_application_token_and_a_trace() {
    within(async {
        let coordinator = Server::coordinator();
        let caracal = routed(&coordinator);
        let headers = HeaderMap::from(caracal.headers().await.unwrap());
        assert_eq!(headers["authorization"], "Bearer jwt-placeholder");
        assert_eq!(headers["baggage"], "caracal.hop=0");
        assert_eq!(headers["traceparent"].len(), 55);
    });
}

#[test]
fn the_small_client_calls_resources_and_follows_no_redirect() {
    within(async {
        let coordinator = Server::coordinator();
        let inventory = Server::start(|_, request| match &*request.line {
            "POST /items?x=1" => reply(200, r#"{"ok":true}"#),
            _ => super::support::Answer::Reply {
                status: 302,
                headers: "location: http://127.0.0.1:1/elsewhere\r\n",
                body: String::new(),
            },
        });
        let caracal = builder(&coordinator.url())
            .token(TokenSource::fixed(token("jwt-placeholder")))
            .resource(ResourceBinding { resource: "resource://inventory".into(), prefix: inventory.url().into() })
            .build()
            .unwrap();
        let transport = caracal.transport();
        let request = Request::post(format!("{}/items?x=1", inventory.url())).body(r#"{"a":1}"#).unwrap();
        let scope = caracal.spawn().await.unwrap();
        let response = scope.run(transport.send(request)).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &br#"{"ok":true}"#[..]));
        let redirected = transport.send(Request::get(inventory.url()).body("").unwrap()).await.unwrap();
        assert_eq!(redirected.status(), 302);
        let [first, second] = <[_; 2]>::try_from(inventory.seen()).unwrap();
        assert_eq!(first.body, r#"{"a":1}"#);
        assert_eq!(first.header("authorization"), Some("Bearer jwt-placeholder"));
        assert_eq!(first.header("baggage"), Some("caracal.agent_session=s-1,caracal.hop=0"));
        assert_eq!(first.connection, second.connection, "the connection is kept");

        let unreachable = transport.send(Request::get("http://127.0.0.1:1/").body("").unwrap()).await;
        assert!(matches!(unreachable, Err(TransportError::Http(_))), "{unreachable:?}");
    });
}
