//! WebSocket over TLS, with every pair of drivers.

use nuncio_shared::arcp::{FinalStatus, ListenOptions, Listening, Submit};
use nuncio_shared::auth::{Authorities, ClientTls, Identity, ServerTls};

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

    async fn serve(&self) -> (Server, Listening) {
        let identity = Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap();
        let server = builder().build().unwrap();
        let options = ListenOptions { tls: Some(ServerTls::new(identity).unwrap()), ..ListenOptions::default() };
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
