#![allow(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

use std::path::PathBuf;

use clap::Parser;
use nuncio_tokio::auth::{Claim, Rejection, Verifier};
use rcgen::CertifiedKey;

use crate::security::{ClientSecurity, Security};

#[derive(Parser)]
struct Serve {
    #[command(flatten)]
    security: Security,
}

#[derive(Parser)]
struct Submit {
    #[command(flatten)]
    security: ClientSecurity,
}

fn serve(flags: &[&str]) -> Security {
    Serve::try_parse_from([&["nuncio"], flags].concat()).unwrap().security
}

fn client(flags: &[&str]) -> ClientSecurity {
    Submit::try_parse_from([&["nuncio"], flags].concat()).unwrap().security
}

/// A file of one test, gone with it.
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

#[tokio::test]
async fn tokens_come_from_flags_and_files() {
    let file = File::new("tokens", "# ours\n\ntok-bob=bob\n  ba==se64==carol \n");
    let security = serve(&["--token", "tok-alice=alice", "--token-file", file.path()]);
    let verifier = security.verifier().unwrap();
    let who = |token: &str| verifier.verify(Claim::new(token, "a test"));
    assert_eq!(who("tok-alice").await, Ok("alice".to_owned()));
    assert_eq!(who("tok-bob").await, Ok("bob".to_owned()));
    assert_eq!(who("ba==se64=").await, Ok("carol".to_owned()));
    assert_eq!(who("# ours").await, Err(Rejection::Invalid));
    assert!(!format!("{security:?}").contains("tok-alice"));
    assert!(!security.summary().contains("tok-"), "{}", security.summary());
    assert!(serve(&[]).is_open());
}

#[test]
fn what_is_wrong_is_said_with_the_flag_it_is_about() {
    let bad = File::new("bad", "tok-bob=bob\nno principal\n");
    let short = File::new("short", "secret\n");
    let said = |flags: &[&str]| {
        let security = serve(flags);
        match (security.verifier(), security.listen_options()) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            (Ok(_), Ok(_)) => panic!("{flags:?} should be refused"),
        }
    };
    for (flags, expected) in [
        (&["--token-file", bad.path()][..], "--token-file: line 2 of"),
        (&["--token-file", "/nowhere/tokens"], "--token-file: /nowhere/tokens cannot be read"),
        (&["--jwt-secret-file", short.path()], "--jwt-secret-file: the secret has 6 bytes"),
        (&["--jwt-jwks", bad.path()], "holds no JSON Web Key Set"),
        (&["--jwt-audience", "nuncio"], "--jwt-audience is about JSON Web Tokens"),
        (&["--tls-cert", "/nowhere/cert.pem"], "--tls-cert needs --tls-key, too"),
        (&["--client-ca", "/nowhere/ca.pem"], "--client-ca needs --tls-cert and --tls-key, too"),
        (&["--tls-cert", bad.path(), "--tls-key", bad.path()], "holds no certificate"),
        (&["--allow-host", "http://not-a-host"], "--allow-host"),
    ] {
        let said = said(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
    assert!(Serve::try_parse_from(["nuncio", "--jwt-key", "a", "--jwt-jwks", "b"]).is_err());
    assert!(Submit::try_parse_from(["nuncio", "--client-cert", "a"]).is_err());
}

#[test]
fn tls_comes_from_files() {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (File::new("cert", &cert.pem()), File::new("key", &signing_key.serialize_pem()));
    let flags = ["--tls-cert", certificate.path(), "--tls-key", key.path(), "--client-ca", certificate.path()];
    assert!(serve(&flags).listen_options().unwrap().tls.is_some());
    assert!(!serve(&flags).is_open());
    assert!(serve(&[]).listen_options().unwrap().tls.is_none());
    let flags = ["--ca-file", certificate.path(), "--client-cert", certificate.path(), "--client-key", key.path()];
    assert!(client(&flags).tls().unwrap().is_some());
    assert!(client(&[]).tls().unwrap().is_none());
    let missing = client(&["--ca-file", "/nowhere/ca.pem"]).tls().unwrap_err().to_string();
    assert!(missing.starts_with("--ca-file: /nowhere/ca.pem cannot be read"), "{missing}");
}

#[test]
fn a_file_has_the_names_of_the_flags_and_flags_win() {
    let file =
        serde_json::json!({"token": ["t=bob"], "jwt-jwks": "/keys", "tls-cert": "/c", "allow-host": ["a.example"]});
    let file: Security = serde_json::from_value(file).unwrap();
    let both = serve(&["--token", "u=alice"]).or(file);
    assert_eq!(both.summary(), "tokens of alice; JSON Web Tokens");
    assert!(serde_json::from_value::<Security>(serde_json::json!({"tokns": []})).is_err());
}
