//! Connections that misbehave.

use std::time::Duration;

use super::client::Client;
use super::server::{Server, ServerBuilder};
use super::support::{builder, echoes, within};
use nuncio_shared::arcp::{
    ClientBuildError, ClientError, Config, ConnectError, FinalStatus, HostPolicy, JobContext, ListenOptions, Reconnect,
    RequestFailure, SessionEnd, Submit,
};
use nuncio_shared::auth::StaticTokens;
use serde_json::{Value, json};
use smol::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use smol::stream::StreamExt as _;

/// Returns a builder with a short linger, because the peers of these tests do not answer a close.
fn configured(config: Config) -> ServerBuilder {
    let config = config.with(|config| config.linger = Duration::from_millis(50));
    let echo = |input: Value, _: JobContext| async move { Ok(input) };
    let tokens = StaticTokens::new().with("tok-alice", "alice");
    Server::builder().config(config).verifier(tokens).agent("echo", echo)
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends the stream too.
    let _end = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn silent_connections_do_not_keep_others_from_being_accepted() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(TcpStream::connect(listening.address()).await.unwrap());
        }
        echoes(listening.url()).await;
    });
}

#[test]
fn a_connection_that_never_upgrades_is_refused_at_the_deadline_of_the_hello() {
    within(async {
        let server = configured(Config::default().with(|config| config.hello_timeout = Duration::from_millis(30)))
            .build()
            .unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        for sent in ["", "GET /arcp HTTP/1.1\r\nHost: localhost\r\n"] {
            let mut stream = TcpStream::connect(listening.address()).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let answer = read_to_end(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    });
}

#[test]
fn a_web_socket_without_a_hello_is_closed_at_the_deadline() {
    within(async {
        let server = configured(Config::default().with(|config| config.hello_timeout = Duration::from_millis(30)))
            .build()
            .unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listening.address()).await.unwrap();
        let request = "GET /arcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert!(answer.contains("session.error"), "{answer}");
    });
}

#[test]
fn connections_beyond_the_limit_are_refused_and_the_others_go_on() {
    within(async {
        let server = configured(Config::default().with(|config| config.limits.connections = 2)).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let first = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap();
        // One without a session makes way for one that may get one.
        let mut silent = TcpStream::connect(listening.address()).await.unwrap();
        let second = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap();
        let answer = read_to_end(&mut silent).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let mut third = TcpStream::connect(listening.address()).await.unwrap();
        let answer = read_to_end(&mut third).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        for client in [first, second] {
            let mut job = client.submit(&Submit::new("echo")).await.unwrap();
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        }
    });
}

#[test]
fn a_host_that_is_not_on_the_list_is_forbidden() {
    within(async {
        let server = builder().build().unwrap();
        let hosts = Some(HostPolicy::list(["agents.example"]).unwrap());
        let options = ListenOptions { hosts, path: Some("/here".to_owned()), ..ListenOptions::default() };
        let listening = server.listen_with("127.0.0.1:0", options).await.unwrap();
        assert!(listening.url().ends_with("/here"));
        let error = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap_err();
        let ClientBuildError::Session(SessionEnd::Unreachable { last: ConnectError::Upgrade { status, .. }, .. }) =
            error
        else {
            panic!("{error}")
        };
        assert_eq!(status, 403);
    });
}

#[test]
fn invalid_and_too_long_lines_are_answered_before_the_end() {
    within(async {
        let server = configured(Config::default().with(|config| config.limits.frame_bytes = 1_000)).build().unwrap();
        for (sent, fault) in [(vec![0xff, b'\n'], "INVALID_REQUEST"), (vec![b'x'; 2_000], "frame_bytes")] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let connection = server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Stdio);
            ours.write_all(&sent).await.unwrap();
            let mut answer = String::new();
            ours.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("session.error") && answer.contains(fault), "{answer}");
            connection.ended().await;
        }
    });
}

/// Connections that begin a first frame and never end it share a fixed sum; who says hello is served.
#[test]
fn endless_first_frames_share_a_fixed_sum() {
    within(async {
        let config = Config::default().with(|config| {
            config.hello_timeout = Duration::from_hours(1);
            config.limits.ungreeted_bytes = 200_000;
        });
        let server = configured(config).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let mut floods = Vec::new();
        for _ in 0..10 {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let connection = server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Loopback);
            ours.write_all(&vec![b'x'; 60_000]).await.unwrap();
            floods.push((ours, connection));
        }
        // Three of them have room; at least seven are told, the oldest first.
        for (mut ours, connection) in floods.drain(..7) {
            let mut answer = String::new();
            ours.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("session.error") && answer.contains("ungreeted_bytes"), "{answer}");
            connection.ended().await;
        }
        echoes(listening.url()).await;
    });
}

#[test]
fn a_first_frame_beyond_the_limit_ends_its_connection() {
    within(async {
        let server = configured(Config::default()).build().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let connection = server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Loopback);
        ours.write_all(&vec![b'x'; 70_000]).await.unwrap();
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("session.error") && answer.contains("hello_bytes"), "{answer}");
        connection.ended().await;
    });
}

/// A client that does not wait for its welcome sends frames of any size that a session may.
#[test]
fn a_large_frame_right_behind_the_hello_is_taken() {
    within(async {
        let server = configured(Config::default()).build().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let _connection = server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Loopback);
        let hello = json!({"arcp": "1.1", "id": "1", "type": "session.hello", "payload": {
            "client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "tok-alice"},
            "capabilities": {"features": []}}});
        let input = "x".repeat(500_000);
        let submit =
            json!({"arcp": "1.1", "id": "2", "type": "job.submit", "payload": {"agent": "echo", "input": input}});
        let mut lines = BufReader::new(ours.clone()).lines();
        ours.write_all(format!("{hello}\n{submit}\n").as_bytes()).await.unwrap();
        assert!(lines.next().await.unwrap().unwrap().contains("session.welcome"));
        loop {
            let line = lines.next().await.unwrap().unwrap();
            assert!(!line.contains("session.error"), "{line}");
            if line.contains("job.result") {
                break;
            }
        }
    });
}

#[test]
fn a_dropped_server_ends_its_sessions() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = Client::builder(listening.url(), "tok-alice")
            .unwrap()
            .reconnect(Reconnect::never())
            .connect()
            .await
            .unwrap();
        let mut events = client.session_events();
        drop(server);
        while client.ended().is_none() {
            events.next().await.unwrap();
        }
    });
}

#[test]
fn a_submit_that_is_too_large_for_the_server_fails_and_the_session_goes_on() {
    within(async {
        let server = configured(Config::default().with(|config| config.limits.frame_bytes = 4_000)).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap();
        let error = client.submit(&Submit::new("echo").input(&"x".repeat(10_000))).await.unwrap_err();
        assert!(matches!(error, ClientError::Failed(RequestFailure::TooLarge { .. })), "{error}");
        let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn a_refusal_never_overtakes_an_earlier_submit_of_a_client_that_binds_by_arrival() {
    within(async {
        let server = configured(Config::default()).build().unwrap();
        for round in 0..50 {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let _connection = server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Stdio);
            // The hello is that of the C# SDK. The second submit is refused by accepting it, and failing the job.
            let frame = |number: u32, kind: &str, payload: Value| {
                let id = format!("msg_01M8HFFC0E2ZYDDRM55PJC42{number:02}");
                json!({"arcp": "1.1", "id": id, "type": kind, "timestamp": "2026-11-28T16:00:00Z", "payload": payload})
            };
            let hello = json!({"client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "tok-alice"},
                "capabilities": {"features": ["ack"]}});
            let frames = [
                frame(1, "session.hello", hello),
                frame(2, "job.submit", json!({"agent": "echo", "input": "good"})),
                frame(3, "job.submit", json!({"agent": "nobody"})),
            ];
            let mut lines = BufReader::new(ours.clone()).lines();
            ours.write_all(format!("{}\n", frames[0]).as_bytes()).await.unwrap();
            assert!(lines.next().await.unwrap().unwrap().contains("session.welcome"));
            ours.write_all(format!("{}\n{}\n", frames[1], frames[2]).as_bytes()).await.unwrap();
            let mut accepted = Vec::new();
            let good = loop {
                let frame: Value = serde_json::from_str(&lines.next().await.unwrap().unwrap()).unwrap();
                match frame["type"].as_str() {
                    Some("job.accepted") => accepted.push(frame["job_id"].clone()),
                    Some("job.result") => break frame["job_id"].clone(),
                    _ => {}
                }
            };
            assert_eq!(accepted.first(), Some(&good), "round {round}");
        }
    });
}
