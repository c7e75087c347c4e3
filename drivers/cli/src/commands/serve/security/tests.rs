//! Tests of the security options.
#![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

use std::path::PathBuf;

use clap::Parser;
use nuncio_tokio::auth::{BoxVerifier, Claim, Rejection, Verifier};
use rcgen::CertifiedKey;

use super::{Security, SecurityError};

#[derive(Parser)]
struct Serve {
    #[command(flatten)]
    security: Security,
}

fn serve(flags: &[&str]) -> Security {
    Serve::try_parse_from([&["nuncio"], flags].concat()).unwrap().security
}

/// A temporary file of one test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("nuncio-security-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// The verifier of the options, with that of mandates.
fn verifier(security: &Security) -> Result<BoxVerifier, SecurityError> {
    security.verifier(security.mandates()?.map(Verifier::boxed))
}

const MANDATES: [&str; 6] =
    ["--caracal-issuer", "https://sts", "--caracal-zone", "z1", "--caracal-audience", "https://agents"];

#[tokio::test]
async fn what_is_no_mandate_is_refused_without_a_key() {
    let security =
        serve(&[&["--token", "tok-alice=alice", "--caracal-jwks", "http://127.0.0.1:9"][..], &MANDATES].concat());
    let verifier = verifier(&security).unwrap();
    assert_eq!(verifier.verify(Claim::new("tok-alice", "a test")).await, Ok("alice".to_owned()));
    let refused = verifier.verify(Claim::new("tok-bob", "a test")).await;
    assert_eq!(refused, Err(Rejection::Refused("the bearer token is not a Caracal mandate")));
    assert_eq!(security.summary(), "tokens of alice; mandates of the zone z1");
}

#[tokio::test]
async fn tokens_are_read_from_flags_and_files() {
    let file = File::new("tokens", "# ours\n\ntok-bob=bob\n  ba==se64==carol \n");
    let security = serve(&["--token", "tok-alice=alice", "--token-file", file.path()]);
    let verifier = verifier(&security).unwrap();
    let who = |token: &str| verifier.verify(Claim::new(token, "a test"));
    assert_eq!(who("tok-alice").await, Ok("alice".to_owned()));
    assert_eq!(who("tok-bob").await, Ok("bob".to_owned()));
    assert_eq!(who("ba==se64=").await, Ok("carol".to_owned()));
    assert_eq!(who("# ours").await, Err(Rejection::Invalid));
    assert!(!format!("{security:?}").contains("tok-alice"));
    assert!(!security.summary().contains("tok-"), "{}", security.summary());
    assert!(serve(&[]).is_empty());
}

#[test]
fn errors_name_the_flag() {
    let bad = File::new("bad", "tok-bob=bob\nno principal\n");
    let short = File::new("short", "secret\n");
    let error = |flags: &[&str]| {
        let security = serve(flags);
        match (verifier(&security), security.listen_options()) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            (Ok(_), Ok(_)) => panic!("{flags:?} is not refused"),
        }
    };
    for (flags, expected) in [
        (&["--token-file", bad.path()][..], "--token-file: line 2 of"),
        (&["--token-file", "/nowhere/tokens"], "--token-file: cannot read /nowhere/tokens"),
        (&["--jwt-secret-file", short.path()], "--jwt-secret-file: the secret has 6 bytes"),
        (&["--jwt-jwks", bad.path()], "holds no JSON Web Key Set"),
        (&["--jwt-audience", "nuncio"], "--jwt-audience needs a key for JSON Web Tokens"),
        (&["--caracal-zone", "z1"], "--caracal-zone needs --caracal-jwks URL"),
        (
            &[&["--caracal-jwks", "http://sts", "--caracal-revoked", "/nowhere/ids"][..], &MANDATES[..]].concat(),
            "--caracal-revoked: cannot read /nowhere/ids",
        ),
        (&["--caracal-jwks", "http://sts"], "--caracal-jwks needs --caracal-issuer"),
        (
            &[&["--caracal-jwks", "sts"][..], &MANDATES[..]].concat(),
            "--caracal-jwks: the URL of the token service is wrong",
        ),
        (&["--tls-cert", "/nowhere/cert.pem"], "--tls-cert needs --tls-key"),
        (&["--client-ca", "/nowhere/ca.pem"], "--client-ca needs --tls-cert and --tls-key"),
        (&["--tls-cert", bad.path(), "--tls-key", bad.path()], "holds no certificate"),
        (&["--allow-host", "http://not-a-host"], "--allow-host"),
    ] {
        let error = error(flags);
        assert!(error.contains(expected), "{flags:?}: {error}");
    }
    assert!(Serve::try_parse_from(["nuncio", "--jwt-key", "a", "--jwt-jwks", "b"]).is_err());
}

#[test]
fn certificates_are_read_from_files() {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (File::new("cert", &cert.pem()), File::new("key", &signing_key.serialize_pem()));
    let flags = ["--tls-cert", certificate.path(), "--tls-key", key.path(), "--client-ca", certificate.path()];
    assert!(serve(&flags).listen_options().unwrap().tls.is_some());
    assert!(!serve(&flags).is_empty());
    assert!(serve(&[]).listen_options().unwrap().tls.is_none());
}

#[test]
fn the_file_uses_the_names_of_flags_which_take_precedence() {
    let file =
        serde_json::json!({"token": ["t=bob"], "jwt-jwks": "/keys", "tls-cert": "/c", "allow-host": ["a.example"]});
    let file: Security = serde_json::from_value(file).unwrap();
    let both = serve(&["--token", "u=alice"]).or(file);
    assert_eq!(both.summary(), "tokens of alice; JSON Web Tokens");
    assert!(serde_json::from_value::<Security>(serde_json::json!({"tokns": []})).is_err());
}
