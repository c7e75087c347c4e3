//! The context on the requests of `reqwest` (§1.5), which tokio alone has.

use std::error::Error as _;

use super::caracal::{Caracal, InjectError, ResourceBinding, TokenSource, WebError, WebTransport};
use super::suite::support::{Answer, Seen, Server, builder, reply, token};
use crate::on::within;

fn redirect(to: &str) -> Answer {
    let headers: &'static str = format!("location: {to}\r\n").leak();
    Answer::Reply { status: 302, headers, body: String::new() }
}

/// A server that answers `GET /ok` and redirects what comes with a query to it.
fn service() -> Server {
    Server::start(|_, request| match request.line.split_once('?') {
        Some((_, target)) => redirect(target),
        None => reply(200, "done"),
    })
}

/// An application for which `prefix` is a resource, and its client.
fn client(coordinator: &Server, prefix: &str, gateway: Option<&str>) -> (Caracal, WebTransport) {
    let resource = ResourceBinding { resource: "resource://inventory".into(), prefix: prefix.into() };
    let mut made = builder(&coordinator.url()).token(TokenSource::fixed(token("jwt-placeholder"))).resource(resource);
    if let Some(gateway) = gateway {
        made = made.gateway(gateway);
    }
    let caracal = made.build().unwrap();
    let client = WebTransport::new(&caracal).unwrap();
    (caracal, client)
}

fn carries_context(seen: &Seen) -> bool {
    let all = ["authorization", "traceparent", "baggage"].map(|name| seen.header(name).is_some());
    assert!(all == [true; 3] || all == [false; 3], "{seen:?}");
    all[0]
}

#[test]
fn every_request_carries_the_context_of_its_task() {
    within(async {
        let (coordinator, inventory) = (Server::coordinator(), service());
        let (caracal, client) = client(&coordinator, &inventory.url(), None);
        let url = format!("{}/items", inventory.url());
        let scope = caracal.spawn().await.unwrap();
        let sent = scope.run(client.post(&url).header("baggage", "tenant=acme").body("{}").send()).await.unwrap();
        assert_eq!(sent.text().await.unwrap(), "done");
        client.get(&url).send().await.unwrap();
        let [inside, outside] = <[_; 2]>::try_from(inventory.seen()).unwrap();
        assert_eq!((&*inside.line, &*inside.body), ("POST /items", "{}"));
        assert_eq!(inside.header("authorization"), Some("Bearer jwt-placeholder"));
        assert_eq!(inside.header("baggage"), Some("caracal.agent_session=s-1,caracal.hop=0,tenant=acme"));
        assert_eq!(outside.header("baggage"), Some("caracal.hop=0"));
    });
}

#[test]
fn calls_of_resources_go_through_the_gateway_with_its_port() {
    within(async {
        let (coordinator, gateway) = (Server::coordinator(), service());
        let (_caracal, client) =
            client(&coordinator, "http://inventory:8080/v2", Some(&format!("{}/base", gateway.url())));
        client.get("http://inventory:8080/v2/items").header("authorization", "Bearer mine").send().await.unwrap();
        let [seen] = <[_; 1]>::try_from(gateway.seen()).unwrap();
        assert_eq!(seen.line, "GET /base/items");
        // B5: the SDK loses the port.
        assert_eq!(seen.header("host"), Some(&*gateway.address.to_string()));
        assert_eq!(seen.header("x-caracal-resource"), Some("resource://inventory"));
        assert_eq!(seen.header("authorization"), Some("Bearer jwt-placeholder"));
        let request = client
            .get("http://inventory:8080/v2/items")
            .header("x-caracal-resource", "a")
            .header("x-caracal-resource", "b");
        let refused = request.send().await;
        assert!(matches!(refused, Err(WebError::Inject(InjectError::Resource))), "{refused:?}");
    });
}

#[test]
fn other_servers_do_not_learn_the_context() {
    within(async {
        let (coordinator, inventory, elsewhere) = (Server::coordinator(), service(), service());
        let (_caracal, client) = client(&coordinator, &inventory.url(), None);
        // B3: the SDK sends the token and the session to any host.
        client.get(elsewhere.url()).send().await.unwrap();
        assert!(!carries_context(&elsewhere.seen()[0]));
        // Nor do resources by a redirect of others.
        client.get(format!("{}/x?{}/ok", elsewhere.url(), inventory.url())).send().await.unwrap();
        assert!(!carries_context(&inventory.seen()[0]));
        // A path that leaves its prefix is another one.
        let (_caracal, client) = self::client(&coordinator, &format!("{}/v2", elsewhere.url()), None);
        client.get(format!("{}/v2/%2e%2e/admin", elsewhere.url())).send().await.unwrap();
        let last = elsewhere.seen().pop().unwrap();
        assert!(last.line == "GET /admin" && !carries_context(&last), "{last:?}");
    });
}

#[test]
fn a_redirect_never_takes_the_context_elsewhere() {
    within(async {
        let (coordinator, inventory, elsewhere) = (Server::coordinator(), service(), service());
        let (_caracal, client) = client(&coordinator, &format!("{}/v2", inventory.url()), None);
        let base = format!("{}/v2/a", inventory.url());
        let stays = client.get(format!("{base}?/v2/b")).send().await.unwrap();
        assert_eq!(stays.url().path(), "/v2/b");
        let seen = inventory.seen();
        assert!(seen.len() == 2 && seen.iter().all(carries_context), "{seen:?}");
        let back = format!("{}/b?{base}", elsewhere.url());
        for target in [elsewhere.url(), back, "/admin".to_owned(), "/v2x".to_owned()] {
            let refused = client.get(format!("{base}?{target}")).send().await.unwrap_err();
            let WebError::Http(error) = refused else { panic!("{refused:?}") };
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(error.is_redirect() && why.contains("where the context must not go"), "{target}: {why}");
        }
        assert!(elsewhere.seen().is_empty());
        assert!(inventory.lines().iter().all(|line| line.starts_with("GET /v2/")), "{:?}", inventory.lines());
    });
}

#[test]
fn redirects_in_a_circle_end() {
    within(async {
        let coordinator = Server::coordinator();
        let circle = Server::start(|_, _| redirect("/"));
        let (_caracal, client) = client(&coordinator, &circle.url(), None);
        let refused = client.get(circle.url()).send().await.unwrap_err();
        assert!(matches!(&refused, WebError::Http(error) if error.is_redirect()), "{refused:?}");
        assert_eq!(circle.seen().len(), 11);
    });
}

#[test]
fn https_is_spoken_with_the_configuration_of_the_application() {
    within(async {
        let (inventory, tls) = Server::start_tls(|_, _| reply(200, "done"));
        let resource = ResourceBinding { resource: "resource://inventory".into(), prefix: inventory.url().into() };
        let made = || builder("http://127.0.0.1:1").token(TokenSource::fixed(token("t"))).resource(resource.clone());
        let trusting = WebTransport::new(&made().tls(tls).build().unwrap()).unwrap();
        assert_eq!(trusting.get(inventory.url()).send().await.unwrap().text().await.unwrap(), "done");
        assert!(carries_context(&inventory.seen()[0]));
        let (_, others) = Server::start_tls(|_, _| reply(200, ""));
        let distrusting = WebTransport::new(&made().tls(others).build().unwrap()).unwrap();
        let refused = distrusting.get(inventory.url()).send().await;
        assert!(matches!(&refused, Err(WebError::Http(error)) if error.is_connect()), "{refused:?}");
        assert_eq!(inventory.seen().len(), 1);
    });
}

#[test]
fn what_is_wrong_with_a_request_is_an_error_and_no_secret_is_shown() {
    within(async {
        let coordinator = Server::coordinator();
        let (_caracal, client) = client(&coordinator, "http://inventory:8080", None);
        let request = client.get("http://inventory:8080").header("authorization", "Bearer s3cret");
        assert!(!format!("{request:?} {client:?}").contains("s3cret"));
        let refused = request.header("x", "a\nb").send().await;
        assert!(matches!(refused, Err(WebError::Http(_))), "{refused:?}");
        let refused = client.get("not a url").send().await;
        assert!(matches!(refused, Err(WebError::Http(_))), "{refused:?}");
    });
}
