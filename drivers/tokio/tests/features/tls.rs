//! WebSocket over TLS and mutual TLS, over real sockets.

use std::time::Duration;

use crate::certificates::{Authority, names};
use crate::support::{Minter, builder, within};
use nuncio_tokio::arcp::{
    Client, ClientBuildError, Config, FinalStatus, JobContext, ListQuery, ListenOptions, Listening, Reconnect, Server,
    SessionEnd, Shutdown, Submit, Via,
};
use nuncio_tokio::auth::{
    CertificatePrincipals, Claim, ClientCertificates, ClientTls, NameKind, NoPrincipal, PeerCertificate, Rejection,
    ServerTls, StaticTokens, Verifier,
};
use rcgen::SanType;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn listen(server: &Server, tls: ServerTls) -> Listening {
    let options = ListenOptions { tls: Some(tls), ..ListenOptions::default() };
    server.listen_with("127.0.0.1:0", options).await.unwrap()
}

async fn connect(listening: &Listening, tls: ClientTls) -> Result<Client, ClientBuildError> {
    connect_as(listening, tls, "tok-alice").await
}

async fn connect_as(listening: &Listening, tls: ClientTls, token: &str) -> Result<Client, ClientBuildError> {
    Client::builder(listening.url(), token).unwrap().tls(tls).reconnect(Reconnect::never()).connect().await
}

async fn assert_echoes(client: &Client) {
    let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
}

/// Returns the error of a connection that could not be made.
fn unreachable(connected: Result<Client, ClientBuildError>) -> String {
    match connected {
        Err(ClientBuildError::Session(SessionEnd::Unreachable { last: error, .. })) => error.to_string(),
        other => panic!("the server is reachable: {other:?}"),
    }
}

#[tokio::test]
async fn a_job_runs_over_wss() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().build().unwrap();
        let listening = listen(&server, ServerTls::new(authority.server().identity()).unwrap()).await;
        assert!(listening.url().starts_with("wss://127.0.0.1:"), "{}", listening.url());
        let client = connect(&listening, ClientTls::new(authority.authorities()).unwrap()).await.unwrap();
        assert_echoes(&client).await;
        client.close().await;
    })
    .await;
}

#[tokio::test]
async fn untrusted_certificates_are_refused_and_the_error_says_why() {
    within(async {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let elsewhere = ours.sign(&names(&["agents.example"]));
        for (pair, said) in [
            (theirs.server(), "is not trusted: no trusted authority has signed it"),
            (ours.expired(), "is not trusted: it has expired"),
            (elsewhere, "is for another name"),
        ] {
            let server = builder().build().unwrap();
            let listening = listen(&server, ServerTls::new(pair.identity()).unwrap()).await;
            let error = unreachable(connect(&listening, ClientTls::new(ours.authorities()).unwrap()).await);
            assert!(error.contains(said), "{error}");
            assert!(error.contains("127.0.0.1"), "{error}");
            assert!(!error.contains("--"), "a library error names no option of a command: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_name_replaces_the_host_of_the_url() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().build().unwrap();
        let pair = authority.sign(&names(&["agents.example"]));
        let listening = listen(&server, ServerTls::new(pair.identity()).unwrap()).await;
        let tls = ClientTls::new(authority.authorities()).unwrap().server_name("agents.example").unwrap();
        assert_echoes(&connect(&listening, tls).await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn without_authorities_a_client_uses_those_of_the_system() {
    within(async {
        let authority = Authority::new("unknown to the system");
        let server = builder().build().unwrap();
        let listening = listen(&server, ServerTls::new(authority.server().identity()).unwrap()).await;
        let client =
            Client::builder(listening.url(), "tok-alice").unwrap().reconnect(Reconnect::never()).connect().await;
        let error = unreachable(client);
        assert!(error.contains("no trusted authority") || error.contains("no list of trusted"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn the_two_protocols_do_not_mix() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().build().unwrap();
        let plain = server.listen("127.0.0.1:0").await.unwrap();
        let url = plain.url().replace("ws://", "wss://");
        let tls = ClientTls::new(authority.authorities()).unwrap();
        let client = Client::builder(&url, "tok-alice").unwrap().tls(tls).reconnect(Reconnect::never()).connect().await;
        let error = unreachable(client);
        assert!(error.contains("does not speak TLS"), "{error}");

        let secure = listen(&server, ServerTls::new(authority.server().identity()).unwrap()).await;
        let url = secure.url().replace("wss://", "ws://");
        let client = Client::builder(&url, "tok-alice").unwrap().reconnect(Reconnect::never()).connect().await;
        assert!(matches!(client, Err(ClientBuildError::Session(SessionEnd::Unreachable { .. }))), "{client:?}");
    })
    .await;
}

/// Returns the number of jobs that the client's principal can see.
async fn visible_jobs(client: &Client) -> usize {
    client.list(&ListQuery::default()).await.unwrap().jobs.len()
}

#[tokio::test]
async fn a_client_certificate_names_the_principal() {
    within(async {
        let authority = Authority::new("ours");
        let clients = Authority::new("our clients");
        let verifier = StaticTokens::new().with("tok-alice", "alice").or(CertificatePrincipals::new());
        let echo = |input: Value, _: JobContext| async move { Ok(input) };
        let server = Server::builder().verifier(verifier).agent("echo", echo).build().unwrap();
        let tls = ServerTls::mutual(authority.server().identity(), clients.authorities(), ClientCertificates::Required);
        let listening = listen(&server, tls.unwrap()).await;
        let show =
            |pair: &crate::certificates::Pair| ClientTls::mutual(authority.authorities(), pair.identity()).unwrap();

        let worker = clients.client("worker-7", Vec::new());
        let by_certificate = connect_as(&listening, show(&worker), "no token of anybody").await.unwrap();
        assert_echoes(&by_certificate).await;
        let again = connect_as(&listening, show(&clients.client("worker-7", Vec::new())), "-").await.unwrap();
        assert_eq!(visible_jobs(&again).await, 1);
        let other = connect_as(&listening, show(&clients.client("worker-8", Vec::new())), "-").await.unwrap();
        assert_eq!(visible_jobs(&other).await, 0);

        let anonymous = connect(&listening, ClientTls::new(authority.authorities()).unwrap()).await;
        let error = unreachable(anonymous);
        assert!(error.contains("requires a client certificate"), "{error}");
        assert!(!error.contains("--"), "a library error names no option of a command: {error}");
        let stranger = Authority::new("theirs").client("worker-7", Vec::new());
        let error = unreachable(connect(&listening, show(&stranger)).await);
        assert!(error.contains("does not accept the client certificate"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_optional_client_certificate_can_be_left_out() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().build().unwrap();
        let optional = ClientCertificates::Optional;
        let tls = ServerTls::mutual(authority.server().identity(), authority.authorities(), optional);
        let listening = listen(&server, tls.unwrap()).await;
        assert_echoes(&connect(&listening, ClientTls::new(authority.authorities()).unwrap()).await.unwrap()).await;
    })
    .await;
}

fn shown(pem: &str) -> PeerCertificate {
    let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    PeerCertificate::verified(parsed.contents)
}

#[tokio::test]
async fn the_principal_is_the_only_name_of_the_first_kind_present() {
    let clients = Authority::new("our clients");
    let uri = || SanType::URI("spiffe://example.org/worker".try_into().unwrap());
    let mail = || SanType::Rfc822Name("me@example.com".try_into().unwrap());
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let usual = CertificatePrincipals::new();
    let principal = |by: &CertificatePrincipals, names| by.principal(&shown(&clients.client("cn", names).certificate));
    assert_eq!(principal(&usual, vec![]), Ok("cn".to_owned()));
    assert_eq!(principal(&usual, vec![dns("a.example")]), Ok("a.example".to_owned()));
    assert_eq!(principal(&usual, vec![dns("a.example"), mail()]), Ok("me@example.com".to_owned()));
    assert_eq!(principal(&usual, vec![mail(), uri()]), Ok("spiffe://example.org/worker".to_owned()));
    let two = principal(&usual, vec![dns("a.example"), dns("b.example")]);
    assert_eq!(two, Err(NoPrincipal::Ambiguous(NameKind::Dns)));
    let by_name = CertificatePrincipals::by([NameKind::CommonName]);
    assert_eq!(principal(&by_name, vec![mail()]), Ok("cn".to_owned()));
    let by_mail = CertificatePrincipals::by([NameKind::Email]);
    assert_eq!(principal(&by_mail, vec![]), Err(NoPrincipal::Nameless));
    assert_eq!(usual.principal(&PeerCertificate::verified(*b"not DER")), Err(NoPrincipal::Unreadable));
    assert_eq!(usual.verify(Claim::new("a token", "a client")).await, Err(Rejection::Invalid));
}

async fn configured(config: Config, authority: &Authority) -> (Server, Listening) {
    let server = Server::builder()
        .config(config)
        .verifier(StaticTokens::new().with("tok-alice", "alice"))
        .agent("echo", |input: Value, _: JobContext| async move { Ok(input) })
        .build()
        .unwrap();
    let listening = listen(&server, ServerTls::new(authority.server().identity()).unwrap()).await;
    (server, listening)
}

/// Asserts that the connection ends without another byte.
async fn assert_ends(mut stream: TcpStream) {
    let read = stream.read(&mut [0; 1]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn half_open_handshakes_block_no_client_and_end_at_the_hello_timeout() {
    within(async {
        let authority = Authority::new("ours");
        let config = Config::default().with(|config| config.hello_timeout = Duration::from_secs(2));
        let (_server, listening) = configured(config, &authority).await;
        let mut silent = Vec::new();
        for sent in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let mut stream = TcpStream::connect(listening.address()).await.unwrap();
            stream.write_all(sent).await.unwrap();
            silent.push(stream);
        }
        let tls = ClientTls::new(authority.authorities()).unwrap();
        assert_echoes(&connect(&listening, tls).await.unwrap()).await;
        for stream in silent {
            assert_ends(stream).await;
        }
    })
    .await;
}

#[tokio::test]
async fn handshakes_count_as_ungreeted_connections() {
    within(async {
        let authority = Authority::new("ours");
        let config = Config::default().with(|config| {
            config.hello_timeout = Duration::from_hours(1);
            config.limits.ungreeted = 2;
        });
        let (_server, listening) = configured(config, &authority).await;
        let first = TcpStream::connect(listening.address()).await.unwrap();
        let second = TcpStream::connect(listening.address()).await.unwrap();
        // The newest is not locked out: the oldest handshake makes way for it.
        let tls = ClientTls::new(authority.authorities()).unwrap();
        assert_echoes(&connect(&listening, tls.clone()).await.unwrap()).await;
        assert_ends(first).await;
        // A welcomed connection has freed its place.
        let third = TcpStream::connect(listening.address()).await.unwrap();
        assert_echoes(&connect(&listening, tls).await.unwrap()).await;
        assert_ends(second).await;
        drop(third);
    })
    .await;
}

#[tokio::test]
async fn a_handshake_does_not_outlive_its_server() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().build().unwrap();
        let listening = listen(&server, ServerTls::new(authority.server().identity()).unwrap()).await;
        let mut stream = TcpStream::connect(listening.address()).await.unwrap();
        // The next connection is open, so the first one has been accepted.
        let tls = ClientTls::new(authority.authorities()).unwrap();
        let client = connect(&listening, tls).await.unwrap();
        assert_eq!(server.shutdown(std::time::Duration::ZERO).await, Shutdown::Drained);
        let read = stream.read(&mut [0; 1]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        client.close().await;
    })
    .await;
}

#[tokio::test]
async fn credentials_are_sent_over_tls_but_not_over_plain_connections() {
    within(async {
        let authority = Authority::new("ours");
        let server = builder().provisioner(Minter).build().unwrap();
        let submit = Submit::new("echo").lease(&json!({"model.use": ["fast/*"]}));
        for (via, expected) in [(None, 1), (Some(Via::Plain), 0)] {
            let tls = Some(ServerTls::new(authority.server().identity()).unwrap());
            let options = ListenOptions { tls, via, ..ListenOptions::default() };
            let listening = server.listen_with("127.0.0.1:0", options).await.unwrap();
            let tls = ClientTls::new(authority.authorities()).unwrap();
            let client = connect(&listening, tls).await.unwrap();
            let credentials = match client.submit(&submit).await {
                Ok(job) => job.info().credentials.len(),
                Err(_) => 0,
            };
            assert_eq!(credentials, expected, "{via:?}");
        }
    })
    .await;
}

#[test]
fn errors_say_what_is_wrong_with_a_file() {
    let pair = Authority::new("ours").server();
    let other = Authority::new("theirs").server();
    let error = |certificate: &str, key: &str| {
        let identity = nuncio_tokio::auth::Identity::from_pem(certificate.as_bytes(), key.as_bytes());
        identity.and_then(ServerTls::new).unwrap_err().to_string()
    };
    assert!(error("", &pair.key).contains("holds no certificate"));
    assert!(error(&pair.certificate, "").contains("holds no unencrypted private key"));
    assert!(error(&pair.certificate, &other.key).contains("cannot be used"));
    let missing = nuncio_tokio::auth::Identity::from_files("/nowhere/cert.pem", "/nowhere/key.pem").unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/cert.pem cannot be read"), "{missing}");
    assert!(!format!("{:?}", pair.identity()).contains("key:"));
}
