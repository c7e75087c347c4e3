//! Keys in PEM form, which Python's `cryptography` and our signers read of each other.

use nuncio_core::cap::{InvalidKey, P256Signer, PublicKey};
use nuncio_shared::cap::{PrivateKeyError, RingSigner, read_public_key, write_public_key};
use nuncio_tests::peers::{CapSdk, wanted};
use serde_json::json;

use super::{start, unhex};

#[test]
fn keys_in_pem_form_are_read_both_ways() {
    if !wanted("keys_in_pem_form_are_read_both_ways") {
        return;
    }
    let mut python = start(CapSdk::V2_17, "packets.py");
    let (signer, secret) = RingSigner::generate().unwrap();
    let public = write_public_key(&signer.public_key());
    let theirs = python.ask(&json!({"do": "keys", "private": *secret, "public": public}));
    let text = |name: &str| theirs[name].as_str().expect("a text").to_owned();

    let expected = PublicKey::from_sec1(&unhex(&python.ask(&json!({"do": "public_key"}))["sec1"])).unwrap();
    assert_eq!(RingSigner::from_pem(&text("private")).unwrap().public_key(), expected);
    assert_eq!(P256Signer::from_pem(&text("private")).unwrap().public_key(), expected);
    assert_eq!(read_public_key(&text("public")), Ok(expected));
    assert_eq!(PublicKey::from_pem(&text("public")), Ok(expected));

    // The package takes keys on any curve for its generic signatures, against the specification.
    assert_eq!(RingSigner::from_pem(&text("other_private")).unwrap_err(), PrivateKeyError::Pkcs8);
    assert_eq!(P256Signer::from_pem(&text("other_private")).unwrap_err(), InvalidKey::Pem);
    assert_eq!(read_public_key(&text("other_public")), Err(InvalidKey::Pem));
    assert_eq!(PublicKey::from_pem(&text("other_public")), Err(InvalidKey::Pem));
}
