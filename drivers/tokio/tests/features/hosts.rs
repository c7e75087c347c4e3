//! A server mounted on HTTP servers that serve other routes as well, and on streams.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{Minter, builder, within};
use axum::Router;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nuncio_tokio::arcp::{
    Client, ClientOptions, Config, FinalStatus, MountOptions, OriginPolicy, Reconnect, Server, SessionEvent, Shutdown,
    Submit, Transport, Via, axum::handler, upgrade,
};
use nuncio_tokio::auth::{Claim, PeerCertificate, Rejection};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts an application with a page at `/` and a server at `/arcp`.
async fn application(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.route("/", get(|| async { "the page" }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn assert_echoes(client: &Client) {
    let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
}

async fn connect(address: SocketAddr) -> Client {
    Client::builder(&format!("ws://{address}/arcp"), "tok-alice")
        .unwrap()
        .reconnect(Reconnect::never())
        .connect()
        .await
        .unwrap()
}

/// Sends an upgrade request in which `from` is replaced by `to`, and returns the head of the answer.
async fn answer(address: SocketAddr, from: &str, to: &str) -> String {
    ask(address, from, to).await.1
}

/// Does so, and returns the connection, too.
async fn ask(address: SocketAddr, from: &str, to: &str) -> (TcpStream, String) {
    let request = "GET /arcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert!(request.contains(from), "{from}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.replace(from, to).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(answer).unwrap())
}

/// Asserts every rule of the endpoint, whichever HTTP server has read the request.
async fn assert_endpoint_rules(address: SocketAddr) {
    for (from, to, status) in [
        ("localhost", "localhost", 101),
        ("localhost", "rebound.example", 403),
        ("Connection: Upgrade\r\n", "Connection: Upgrade\r\nOrigin: https://page.example\r\n", 403),
        ("Connection: Upgrade\r\n", "", 426),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", 426),
        ("Version: 13", "Version: 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
        ("GET", "POST", 405),
        ("GET /arcp ", "GET /arcp?dialect=cobol ", 400),
        ("GET /arcp ", "GET /arcp?dialect=go ", 101),
    ] {
        let answer = answer(address, from, to).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{from} -> {to}: {answer}");
    }
}

#[tokio::test]
async fn an_axum_application_serves_it_beside_other_routes() {
    within(async {
        let server = builder().build().unwrap();
        let address = application(Router::new().route("/arcp", handler(server.clone()))).await;
        assert_echoes(&connect(address).await).await;
        assert_endpoint_rules(address).await;
        let page = answer(address, "/arcp", "/").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_nested_route_with_hosts_and_origins_of_its_own() {
    within(async {
        let server = builder().build().unwrap();
        let origins = OriginPolicy::list(["https://page.example"]).unwrap();
        let options = MountOptions::for_hosts(["agents.example"]).unwrap().origins(origins);
        let inner = Router::new().route("/arcp", nuncio_tokio::arcp::axum::handler_with(server, options));
        let address = application(Router::new().nest("/v1", inner)).await;
        for (host, status) in [("agents.example", 101), ("localhost", 403)] {
            let to = format!("GET /v1/arcp?x=1 HTTP/1.1\r\nOrigin: https://page.example\r\nHost: {host}\r\n");
            let answer = answer(address, "GET /arcp HTTP/1.1\r\nHost: localhost\r\n", &to).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_ends_mounted_sessions_but_not_the_application() {
    within(async {
        let server = builder().build().unwrap();
        let address = application(Router::new().route("/arcp", handler(server.clone()))).await;
        let client = connect(address).await;
        let mut events = client.session_events();
        assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
        while !matches!(events.next().await, None | Some(SessionEvent::Over(_))) {}
        let refused = answer(address, "localhost", "localhost").await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        let page = answer(address, "/arcp", "/").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    })
    .await;
}

fn route(server: &Server, mut request: Request<Incoming>) -> Response<String> {
    match request.uri().path() {
        "/arcp" => upgrade(server, &mut request, &MountOptions::default()),
        _ => Response::new("the page".to_owned()),
    }
}

#[tokio::test]
async fn a_hyper_server_hands_its_upgrades_over() {
    within(async {
        let server = builder().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service =
                    service_fn(move |request| std::future::ready(Ok::<_, Infallible>(route(&server, request))));
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service).with_upgrades());
            }
        });
        assert_echoes(&connect(address).await).await;
        assert_endpoint_rules(address).await;
        let page = answer(address, "/arcp", "/").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_proxy_before_the_http_server_is_believed_if_there_is_said_to_be_one() {
    within(async {
        for (options, expected) in [(MountOptions::default(), 0), (MountOptions::default().behind_proxy(), 1)] {
            let server = builder().provisioner(Minter).build().unwrap();
            let route = nuncio_tokio::arcp::axum::handler_with(server, options);
            let address = application(Router::new().route("/arcp", route)).await;
            let request = ClientOptions::new(&format!("ws://{address}/arcp")).unwrap();
            let request = request.header("X-Forwarded-Proto", "https").unwrap();
            let connector = move || {
                let request = request.clone();
                async move {
                    Ok(Transport::websocket(nuncio_tokio::stream(TcpStream::connect(address).await?), request))
                }
            };
            let client = Client::over(connector, "tok-alice").connect().await.unwrap();
            let submit = Submit::new("echo").lease(&json!({"model.use": ["fast/*"]}));
            let job = client.submit(&submit).await.unwrap();
            assert_eq!(job.info().credentials.len(), expected);
        }
    })
    .await;
}

/// The HTTP server has verified the certificate, and knows who could listen.
#[tokio::test]
async fn the_verifier_and_the_provisioner_are_told_what_the_http_server_knows() {
    within(async {
        for (via, expected) in [(Via::Plain, 0), (Via::Tls, 1)] {
            let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
            let verifier = move |claim: Claim| {
                tell.send(claim.certificate).unwrap();
                std::future::ready(Ok::<_, Rejection>("alice".to_owned()))
            };
            let server = builder().verifier(verifier).provisioner(Minter).build().unwrap();
            let certificate = PeerCertificate::verified(*b"a certificate");
            let options = MountOptions::default().via(via).certificate(certificate.clone());
            let route = nuncio_tokio::arcp::axum::handler_with(server, options);
            let client = connect(application(Router::new().route("/arcp", route)).await).await;
            assert_eq!(told.recv().await, Some(Some(certificate)));
            let submit = Submit::new("echo").lease(&json!({"model.use": ["fast/*"]}));
            assert_eq!(client.submit(&submit).await.unwrap().info().credentials.len(), expected);
        }
    })
    .await;
}

/// The HTTP server knows the addresses of its clients.
#[tokio::test]
async fn the_limits_of_an_address_hold_for_a_client_whose_address_is_given() {
    within(async {
        let config = Config::default().with(|config| config.limits.ungreeted_per_address = 1);
        let server = builder().config(config).build().unwrap();
        let routes = [("/arcp", "192.0.2.1:1"), ("/other", "192.0.2.2:1")].map(|(path, peer)| {
            let options = MountOptions::default().peer(peer.parse().unwrap());
            (path, nuncio_tokio::arcp::axum::handler_with(server.clone(), options))
        });
        let app = routes.into_iter().fold(Router::new(), |app, (path, handler)| app.route(path, handler));
        let address = application(app).await;
        let (other, _) = ask(address, "/arcp", "/other").await;
        let (mut first, _) = ask(address, "/arcp", "/arcp").await;
        let (_second, head) = ask(address, "/arcp", "/arcp").await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");

        let mut refusal = Vec::new();
        first.read_to_end(&mut refusal).await.unwrap();
        let refusal = String::from_utf8_lossy(&refusal);
        assert!(refusal.contains("ungreeted_per_address"), "{refusal}");
        let unread = other.try_read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(unread, Err(ErrorKind::WouldBlock), "the connection of another address stays open");
    })
    .await;
}

#[tokio::test]
async fn a_connection_has_one_attempt_to_authenticate() {
    within(async {
        let server = builder().build().unwrap();
        let (mut client, theirs) = tokio::io::duplex(1 << 16);
        server.accept_lines(nuncio_tokio::stream(theirs), Via::Memory);
        let hello = |id: u32, token: &str| {
            format!(
                "{{\"arcp\":\"1.1\",\"id\":\"m{id}\",\"type\":\"session.hello\",\"payload\":{{\"client\":{{\"name\":\"guesser\",\
                 \"version\":\"1\"}},\"auth\":{{\"scheme\":\"bearer\",\"token\":\"{token}\"}}}}}}\n"
            )
        };
        let guesses = hello(1, "tok-guess") + &hello(2, "tok-alice");
        client.write_all(guesses.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("UNAUTHENTICATED"), "{answer}");
        assert!(!answer.contains("session.welcome"), "{answer}");
    })
    .await;
}
