//! JSON Web Tokens, valid and invalid.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use nuncio_tokio::auth::{Claim, JwtError, JwtKeyError, JwtKeys, JwtVerifier, Rejection, Verifier};
use rcgen::KeyPair;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret that is long enough for HS256";
const RSA_PRIVATE: &[u8] = include_bytes!("data/rsa-private.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("data/rsa-public.pem");

fn hs256() -> JwtVerifier {
    JwtVerifier::new(JwtKeys::secret(SECRET).unwrap())
}

fn token(header: &Header, key: &EncodingKey, claims: &Value) -> String {
    encode(header, claims, key).unwrap()
}

fn signed(claims: &Value) -> String {
    token(&Header::new(Algorithm::HS256), &EncodingKey::from_secret(SECRET).unwrap(), claims)
}

/// Returns the Unix time this many seconds from now.
fn at(offset: i64) -> u64 {
    get_current_timestamp().saturating_add_signed(offset)
}

#[test]
fn claims_are_checked() {
    let strict = || hs256().audience(["nuncio", "other"]).issuer(["https://issuer.example"]);
    let good = json!({"sub": "alice", "exp": at(600), "aud": "nuncio", "iss": "https://issuer.example"});
    let with = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        signed(&claims)
    };
    let without = |claim: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        signed(&claims)
    };
    let missing = |claim: &str| Err(JwtError::Missing(claim.to_owned()));
    for (token, verdict) in [
        (signed(&good), Ok("alice".to_owned())),
        (with("aud", json!(["somebody", "other"])), Ok("alice".to_owned())),
        (with("aud", json!("somebody")), Err(JwtError::Audience)),
        (without("aud"), missing("aud")),
        (with("iss", json!("https://elsewhere.example")), Err(JwtError::Issuer)),
        (without("iss"), missing("iss")),
        (without("exp"), missing("exp")),
        (with("exp", json!(at(-3600))), Err(JwtError::Expired)),
        (with("exp", json!("tomorrow")), missing("exp")),
        (with("nbf", json!("tomorrow")), Err(JwtError::ClaimType("nbf".to_owned()))),
        (with("nbf", json!(at(3600))), Err(JwtError::NotYetValid)),
        (with("nbf", json!(at(-3600))), Ok("alice".to_owned())),
        (without("sub"), missing("sub")),
        (with("sub", json!("")), Err(JwtError::NotAName("sub".to_owned()))),
        (with("sub", json!(7)), Err(JwtError::NotAName("sub".to_owned()))),
        ("not a token".to_owned(), Err(JwtError::Malformed)),
        ("a.b.c".to_owned(), Err(JwtError::Malformed)),
    ] {
        assert_eq!(strict().principal(&token), verdict);
    }
}

#[test]
fn a_token_for_an_audience_is_refused_by_a_server_that_expects_none() {
    let claims = json!({"sub": "alice", "exp": at(600), "aud": "somebody"});
    assert_eq!(hs256().principal(&signed(&claims)), Err(JwtError::Audience));
}

#[test]
fn the_leeway_applies_to_both_ends() {
    let expired = signed(&json!({"sub": "alice", "exp": at(-600)}));
    let early = signed(&json!({"sub": "alice", "exp": at(7200), "nbf": at(600)}));
    let lenient = hs256().leeway(Duration::from_hours(1));
    assert_eq!(lenient.principal(&expired), Ok("alice".to_owned()));
    assert_eq!(lenient.principal(&early), Ok("alice".to_owned()));
    assert_eq!(hs256().principal(&expired), Err(JwtError::Expired));
    assert_eq!(hs256().principal(&early), Err(JwtError::NotYetValid));
}

#[test]
fn another_claim_can_be_the_principal() {
    let token = signed(&json!({"sub": "7", "email": "me@example.com", "exp": at(600)}));
    assert_eq!(hs256().principal_claim("email").principal(&token), Ok("me@example.com".to_owned()));
}

#[test]
fn the_algorithm_follows_from_the_key() {
    let claims = json!({"sub": "alice", "exp": at(600)});
    let ec = KeyPair::generate().unwrap();
    let rsa_key = EncodingKey::from_rsa_pem(RSA_PRIVATE).unwrap();
    let ec_key = EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).unwrap();
    let by_rsa = JwtVerifier::new(JwtKeys::pem(RSA_PUBLIC).unwrap());
    let by_ec = JwtVerifier::new(JwtKeys::pem(ec.public_key_pem().as_bytes()).unwrap());
    let rs256 = token(&Header::new(Algorithm::RS256), &rsa_key, &claims);
    let es256 = token(&Header::new(Algorithm::ES256), &ec_key, &claims);
    let hs256_token = signed(&claims);
    let alice = || Ok("alice".to_owned());
    assert_eq!(by_rsa.principal(&rs256), alice());
    assert_eq!(by_ec.principal(&es256), alice());
    assert_eq!(hs256().principal(&hs256_token), alice());
    for (verifier, foreign) in [(&by_rsa, [&es256, &hs256_token]), (&by_ec, [&rs256, &hs256_token])] {
        for token in foreign {
            assert_eq!(verifier.principal(token), Err(JwtError::Algorithm));
        }
    }
    // Everybody knows the public key, so it must not be accepted as the secret of HS256.
    let forged = token(&Header::new(Algorithm::HS256), &EncodingKey::from_secret(RSA_PUBLIC).unwrap(), &claims);
    assert_eq!(by_rsa.principal(&forged), Err(JwtError::Algorithm));
    let longer = token(&Header::new(Algorithm::RS512), &rsa_key, &claims);
    assert_eq!(by_rsa.principal(&longer), Err(JwtError::Algorithm));
    // {"alg":"none"}
    let body = hs256_token.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    assert_eq!(hs256().principal(&unsigned), Err(JwtError::Malformed));
    assert_eq!(by_rsa.principal(&unsigned), Err(JwtError::Malformed));
}

/// RFC 7515 §4.1.11: a token is not valid for someone who does not know an extension that it says must be understood.
#[test]
fn a_token_with_an_extension_that_must_be_understood_is_refused() {
    let claims = json!({"sub": "alice", "exp": at(60)});
    for critical in [&["exp"][..], &["http://example.com/ext"], &["b64", "http://example.com/ext"], &[]] {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = Some(critical.iter().map(|name| (*name).to_owned()).collect());
        let token = token(&header, &EncodingKey::from_secret(SECRET).unwrap(), &claims);
        assert_eq!(hs256().principal(&token), Err(JwtError::Malformed), "{critical:?}");
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let claims = json!({"sub": "alice", "exp": at(600)});
    let other = EncodingKey::from_secret(b"another secret that is long enough too").unwrap();
    let forged = token(&Header::new(Algorithm::HS256), &other, &claims);
    assert_eq!(hs256().principal(&forged), Err(JwtError::Signature));
    let stranger = KeyPair::generate().unwrap();
    let by_ec = JwtVerifier::new(JwtKeys::pem(KeyPair::generate().unwrap().public_key_pem().as_bytes()).unwrap());
    let key = EncodingKey::from_ec_pem(stranger.serialize_pem().as_bytes()).unwrap();
    assert_eq!(by_ec.principal(&token(&Header::new(Algorithm::ES256), &key, &claims)), Err(JwtError::Signature));
}

#[test]
fn keys_that_are_too_weak_or_too_secret_are_refused() {
    assert!(matches!(JwtKeys::secret(b"short"), Err(JwtKeyError::ShortSecret(5))));
    assert!(matches!(JwtKeys::pem(RSA_PRIVATE), Err(JwtKeyError::Private)));
    assert!(matches!(JwtKeys::pem(include_bytes!("data/rsa-small.pem")), Err(JwtKeyError::ShortModulus)));
    assert!(matches!(JwtKeys::pem(include_bytes!("data/p384-public.pem")), Err(JwtKeyError::Pem)));
    assert!(matches!(JwtKeys::pem(b"not a key"), Err(JwtKeyError::Pem)));
    let shown = format!("{:?}", hs256());
    assert!(!shown.contains("secret that"), "{shown}");
}

/// A temporary file with a key set. It is removed when the value is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, keys: &[Value]) -> File {
        let file = File(std::env::temp_dir().join(format!("nuncio-{}-{name}.json", std::process::id())));
        file.write(keys);
        file
    }

    fn write(&self, keys: &[Value]) {
        std::fs::write(&self.0, json!({"keys": keys}).to_string()).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A file that cannot be removed is left to the system.
        let _gone = std::fs::remove_file(&self.0);
    }
}

fn jwk(kid: &str, key: &EncodingKey, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn ec_key() -> EncodingKey {
    EncodingKey::from_ec_pem(KeyPair::generate().unwrap().serialize_pem().as_bytes()).unwrap()
}

fn named(kid: &str, algorithm: Algorithm) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }
}

#[test]
fn a_key_set_is_searched_by_kid_and_read_again_when_it_changes() {
    let claims = json!({"sub": "alice", "exp": at(600)});
    let alice = || Ok("alice".to_owned());
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE).unwrap();
    let (first, second) = (ec_key(), ec_key());
    let unknown = json!({"kty": "something new", "kid": "new"});
    let mut for_encryption = jwk("enc", &second, Algorithm::ES256);
    for_encryption["use"] = json!("enc");
    let file = File::new(
        "rotates",
        &[jwk("rsa", &rsa, Algorithm::RS256), jwk("first", &first, Algorithm::ES256), unknown, for_encryption],
    );
    let verifier = JwtVerifier::new(JwtKeys::jwks_file(&file.0).unwrap());
    let by_rsa = token(&named("rsa", Algorithm::RS256), &rsa, &claims);
    let by_first = token(&named("first", Algorithm::ES256), &first, &claims);
    let by_second = token(&named("second", Algorithm::ES256), &second, &claims);
    assert_eq!(verifier.principal(&by_rsa), alice());
    assert_eq!(verifier.principal(&by_first), alice());
    assert_eq!(verifier.principal(&by_second), Err(JwtError::UnknownKey("second".to_owned())));
    let confused = token(&named("rsa", Algorithm::ES256), &first, &claims);
    assert_eq!(verifier.principal(&confused), Err(JwtError::Algorithm));
    let by_encryption = token(&named("enc", Algorithm::ES256), &second, &claims);
    assert_eq!(verifier.principal(&by_encryption), Err(JwtError::UnknownKey("enc".to_owned())));
    // A token without a `kid` is checked with the only key for its algorithm.
    assert_eq!(verifier.principal(&token(&Header::new(Algorithm::ES256), &first, &claims)), alice());

    file.write(&[jwk("second", &second, Algorithm::ES256)]);
    assert_eq!(verifier.principal(&by_second), alice());
    assert_eq!(verifier.principal(&by_first), Err(JwtError::UnknownKey("first".to_owned())));

    // While a file cannot be read, its last keys stay in use.
    std::fs::write(&file.0, "{").unwrap();
    assert_eq!(verifier.principal(&by_second), alice());
    file.write(&[jwk("first", &first, Algorithm::ES256), jwk("second", &second, Algorithm::ES256)]);
    assert_eq!(verifier.principal(&by_first), alice());
    assert_eq!(verifier.principal(&token(&Header::new(Algorithm::ES256), &first, &claims)), Err(JwtError::NoKeyNamed));
}

#[test]
fn a_file_without_keys_is_refused() {
    assert!(matches!(JwtKeys::jwks_file("/nowhere/jwks.json"), Err(JwtKeyError::File { .. })));
    let file = File::new("empty", &[]);
    assert!(matches!(JwtKeys::jwks_file(&file.0), Err(JwtKeyError::Empty(_))));
    std::fs::write(&file.0, "not JSON").unwrap();
    assert!(matches!(JwtKeys::jwks_file(&file.0), Err(JwtKeyError::Set { .. })));
}

#[tokio::test]
async fn the_client_only_learns_that_its_token_is_invalid() {
    let expired = signed(&json!({"sub": "alice", "exp": at(-3600)}));
    assert_eq!(hs256().verify(Claim::new(expired, "a client")).await, Err(Rejection::Invalid));
    let good = signed(&json!({"sub": "alice", "exp": at(600)}));
    assert_eq!(hs256().verify(Claim::new(good, "a client")).await, Ok("alice".to_owned()));
}
