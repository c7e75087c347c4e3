//! WebSocket over TLS, with every pair of drivers.

use nuncio_shared::arcp::{FinalStatus, ListenOptions, Listening, Submit};
use nuncio_shared::auth::{Authorities, ClientTls, Identity, ReplaceableVerifier, ServerTls, StaticTokens};

use super::client::Client;
use super::server::Server;
use super::support::{builder, within};

/// A self-signed certificate for this machine.
struct Pem {
    certificate: String,
    key: String,
}

impl Pem {
    fn new() -> Pem {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        Pem { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn trusted(&self) -> ClientTls {
        ClientTls::new(Authorities::from_pem(self.certificate.as_bytes()).unwrap()).unwrap()
    }

    fn server(&self) -> ServerTls {
        ServerTls::new(Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()).unwrap()
    }

    async fn serve(&self) -> (Server, Listening) {
        let server = builder().build().unwrap();
        let options = ListenOptions { tls: Some(self.server()), ..ListenOptions::default() };
        let listening = server.listen_with("127.0.0.1:0", options).await.unwrap();
        (server, listening)
    }
}

#[test]
fn a_client_that_trusts_the_server_gets_through() {
    within(async {
        let pem = Pem::new();
        let (_server, listening) = pem.serve().await;
        assert!(listening.url().starts_with("wss://"));
        let client = Client::builder(listening.url(), "tok-alice").unwrap().tls(pem.trusted()).connect().await.unwrap();
        // The message needs more than one TLS record in each direction.
        let mut job = client.submit(&Submit::new("echo").input(&"x".repeat(100_000))).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn a_client_that_does_not_trust_the_server_gets_an_error() {
    within(async {
        let (pem, other) = (Pem::new(), Pem::new());
        let (_server, listening) = pem.serve().await;
        let connect = |tls| Client::builder(listening.url(), "tok-alice").unwrap().tls(tls).connect();
        let error = connect(other.trusted()).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        // A connection that never finishes its handshake does not block others.
        let _silent = smol::net::TcpStream::connect(listening.address()).await.unwrap();
        connect(pem.trusted()).await.unwrap();
    });
}

#[test]
fn certificates_and_tokens_are_replaced_and_connections_live_on() {
    within(async {
        let (before, after) = (Pem::new(), Pem::new());
        let verifier = ReplaceableVerifier::new(StaticTokens::new().with("tok-old", "alice"));
        let server = builder().verifier(verifier.clone()).build().unwrap();
        let tls = before.server();
        let options = ListenOptions { tls: Some(tls.clone()), ..ListenOptions::default() };
        let listening = server.listen_with("127.0.0.1:0", options).await.unwrap();
        let connect = |token, tls| Client::builder(listening.url(), token).unwrap().tls(tls).connect();
        let client = connect("tok-old", before.trusted()).await.unwrap();

        tls.replace(&after.server());
        verifier.replace(StaticTokens::new().with("tok-new", "alice"));
        let error = connect("tok-new", before.trusted()).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        let error = connect("tok-old", after.trusted()).await.unwrap_err().to_string();
        assert!(error.contains("UNAUTHENTICATED"), "{error}");
        let newer = connect("tok-new", after.trusted()).await.unwrap();
        for client in [client, newer] {
            let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        }
    });
}
