//! WebSocket over TLS with a private certificate authority: a client that trusts it connects; one that does not gets an
//! error that says why. Credentials are sent only over connections that nobody can read, such as these.
//!
//! `cargo run -p nuncio-examples --bin tls`

use std::error::Error;

use nuncio_tokio::arcp::{Client, Failure, JobContext, ListenOptions, Server, Submit};
use nuncio_tokio::auth::{Authorities, ClientTls, Identity, ServerTls, StaticTokens};

async fn echo(input: String, _: JobContext) -> Result<String, Failure> {
    Ok(input)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A self-signed certificate. Load real ones with `Identity::from_files` and `Authorities::from_file`.
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;

    let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("echo", echo).build()?;
    let options = ListenOptions { tls: Some(ServerTls::new(identity)?), ..ListenOptions::default() };
    let listening = server.listen_with("127.0.0.1:0", options).await?;
    assert!(listening.url().starts_with("wss://"));

    let tls = ClientTls::new(Authorities::from_pem(certificate.as_bytes())?)?;
    let client = Client::builder(listening.url(), "secret")?.tls(tls).connect().await?;
    let mut job = client.submit(&Submit::new("echo").input(&"over TLS")).await?;
    let answer: String = job.collect(1_000).await?.json()?;
    assert_eq!(answer, "over TLS");
    client.close().await;

    // By default a client trusts the system's authorities, which did not sign this certificate.
    let stranger = Client::builder(listening.url(), "secret")?.connect().await;
    let error = stranger.expect_err("a certificate that no authority has signed is not trusted").to_string();
    println!("refused: {error}");
    assert!(error.contains("not trusted") || error.contains("authorit"), "{error}");
    Ok(())
}
