//! The attempts to make the first connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nuncio_shared::arcp::{
    ClientBuildError, ClientOptions, CloseReason, Config, ConnectError, ErrorCode, Reconnect, SessionEnd, Submit,
    Transport,
};
use smol::io::AsyncReadExt as _;
use smol::net::TcpStream;
use smol::net::unix::UnixStream;

use super::client::Client;
use super::support::{builder, memory_transport, within};

/// Short pauses, for tests that make many attempts.
fn quick() -> Reconnect {
    Reconnect::default().first_pause(Duration::from_micros(1)).longest_pause(Duration::from_millis(1))
}

/// Returns a connector that counts its calls, fails a given number of times, and then calls the other connector.
fn counting(
    failures: usize,
    connect: impl Fn() -> io::Result<Transport> + Send + 'static,
) -> (Arc<AtomicUsize>, impl FnMut() -> std::future::Ready<io::Result<Transport>> + Send + 'static) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let connector = move || {
        let refused = counted.fetch_add(1, Ordering::SeqCst) < failures;
        std::future::ready(if refused { Err(io::ErrorKind::ConnectionRefused.into()) } else { connect() })
    };
    (calls, connector)
}

#[test]
fn a_first_connection_that_fails_is_tried_again() {
    within(async {
        let server = builder().build().unwrap();
        let (calls, connector) = counting(4, move || Ok(memory_transport(&server)));
        let client = Client::over(connector, "tok-alice").reconnect(quick()).connect().await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 5);
        client.submit(&Submit::new("echo")).await.unwrap();
    });
}

#[test]
fn a_first_connection_is_tried_as_often_as_the_policy_says() {
    within(async {
        let (calls, connector) = counting(usize::MAX, || unreachable!("every attempt fails"));
        let error = Client::over(connector, "t").reconnect(quick().attempts(3)).connect().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        assert_eq!(error.to_string(), "the runtime could not be reached in 3 attempts: connection refused");
        let ClientBuildError::Session(SessionEnd::Unreachable { attempts: 3, .. }) = error else { panic!("{error}") };
    });
}

#[test]
fn a_first_connection_is_tried_no_longer_than_the_policy_says() {
    within(async {
        let (calls, connector) = counting(usize::MAX, || unreachable!("every attempt fails"));
        let once = quick().connect_within(Duration::ZERO);
        let error = Client::over(connector, "t").reconnect(once).connect().await.unwrap_err();
        assert_eq!((calls.load(Ordering::SeqCst), error.to_string().contains("attempts")), (1, false), "{error}");
        let (_, connector) = counting(usize::MAX, || unreachable!("every attempt fails"));
        let briefly = quick().connect_within(Duration::from_millis(20));
        let error = Client::over(connector, "t").reconnect(briefly).connect().await.unwrap_err();
        assert!(matches!(error, ClientBuildError::Session(SessionEnd::Unreachable { .. })), "{error}");
    });
}

/// Asks for a connection from an address that has to wait, without a request for an upgrade.
#[test]
fn after_too_many_refused_tokens_a_connection_is_told_to_wait() {
    within(async {
        let config = Config::default().with(|config| config.limits.failed_logins_per_minute = Some(1));
        let server = builder().config(config).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = Client::builder(listening.url(), "wrong").unwrap().reconnect(Reconnect::never());
        let error = client.connect().await.unwrap_err();
        assert_eq!(error.fault().unwrap().known(), Some(ErrorCode::Unauthenticated));

        let mut stream = TcpStream::connect(listening.address()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("too many tokens"), "{answer}");
    });
}

#[test]
fn a_token_that_is_refused_is_not_shown_again() {
    within(async {
        let server = builder().build().unwrap();
        let (calls, connector) = counting(0, move || Ok(memory_transport(&server)));
        let error = Client::over(connector, "wrong").reconnect(quick()).connect().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(error.fault().unwrap().known(), Some(ErrorCode::Unauthenticated));
        assert!(matches!(error, ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(_)))), "{error}");
    });
}

#[test]
fn a_session_that_is_refused_for_now_is_asked_for_again() {
    within(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let verifier = move |_: nuncio_shared::auth::Claim| {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            async move { if call < 2 { Err(nuncio_shared::auth::Rejection::Unavailable) } else { Ok("alice".to_owned()) } }
        };
        let server = super::server::Server::builder().verifier(verifier).build().unwrap();
        let (attempts, connector) = counting(0, move || Ok(memory_transport(&server)));
        Client::over(connector, "t").reconnect(quick()).connect().await.unwrap();
        assert_eq!((calls.load(Ordering::SeqCst), attempts.load(Ordering::SeqCst)), (3, 3));
    });
}

#[test]
fn a_server_that_refuses_the_request_itself_is_not_asked_again() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let elsewhere = listening.url().replace("/arcp", "/nothing");
        let error = Client::builder(&elsewhere, "tok-alice").unwrap().connect().await.unwrap_err();
        let ClientBuildError::Session(SessionEnd::Unreachable {
            attempts: 1,
            last: ConnectError::Upgrade { status, .. },
            ..
        }) = error
        else {
            panic!("{error}")
        };
        assert_eq!(status, 404);
    });
}

#[test]
fn without_reconnecting_a_first_connection_that_fails_is_an_error_at_once() {
    within(async {
        let refused = || async { Err(io::ErrorKind::ConnectionRefused.into()) };
        let error = Client::over(refused, "t").reconnect(Reconnect::never()).connect().await.unwrap_err();
        let ClientBuildError::Session(SessionEnd::Unreachable { attempts: 1, last: ConnectError::Io(_), .. }) = error
        else {
            panic!("{error}")
        };

        let silent = || async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            // The other end is kept open and never answers.
            smol::spawn(async move {
                let _theirs = theirs;
                std::future::pending::<()>().await;
            })
            .detach();
            let options = nuncio_shared::arcp::ClientOptions::new("ws://localhost/arcp").map_err(io::Error::other)?;
            Ok(Transport::websocket(Box::pin(ours), options))
        };
        let timeout = Duration::from_millis(20);
        let error = Client::over(silent, "t")
            .connect_timeout(timeout)
            .reconnect(Reconnect::never())
            .connect()
            .await
            .unwrap_err();
        assert!(matches!(error, ClientBuildError::Session(SessionEnd::Unreachable { .. })), "{error}");
    });
}

#[test]
fn a_name_is_reached_by_whichever_of_its_addresses_answers() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        // Where the name has an IPv6 address as well, nothing listens on it.
        let url = listening.url().replace("127.0.0.1", "localhost");
        super::support::echoes(&url).await;
    });
}

#[test]
fn a_connection_that_comes_up_after_the_end_is_not_used() {
    within(async {
        let (ask, asked) = smol::channel::bounded(1);
        let (give, given) = smol::channel::bounded::<Transport>(1);
        let connector = move || {
            let (ask, given) = (ask.clone(), given.clone());
            async move {
                ask.send(()).await.unwrap();
                given.recv().await.map_err(io::Error::other)
            }
        };
        let connecting = smol::spawn(Client::over(connector, "tok-alice").connect());
        asked.recv().await.unwrap();
        // The session ends while its first connection is being made.
        connecting.cancel().await;
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let options = ClientOptions::new("ws://localhost/arcp").unwrap();
        give.send(Transport::websocket(Box::pin(ours), options)).await.unwrap();
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"", "nothing is sent on it");
    });
}

#[test]
fn an_upgrade_that_is_not_answered_is_an_error_in_time() {
    within(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/arcp", listener.local_addr().unwrap());
        let client = Client::builder(&url, "t").unwrap().reconnect(Reconnect::default().attempts(1));
        let error = client.connect_timeout(Duration::from_millis(20)).connect().await.unwrap_err();
        assert!(matches!(error, ClientBuildError::Session(SessionEnd::Unreachable { attempts: 1, .. })), "{error}");
    });
}
