//! The parts of a signed JSON Web Token (ES256).

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::json::{Object, Text};

/// Returns what is signed: the header and the claims.
pub(super) fn signing_input(key_id: &str, claims: &str) -> String {
    let header = Object::new().text("alg", "ES256").text("typ", "JWT").text("kid", key_id).close();
    let mut input = URL_SAFE_NO_PAD.encode(header);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut input);
    input
}

/// Appends a signature.
pub(super) fn signed(mut input: String, signature: &[u8]) -> String {
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut input);
    input
}

pub(super) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token, before its signature is verified.
pub(super) struct Token<'a> {
    input: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Reads a token that says to be signed with ES256 by this key.
    pub(super) fn read(text: &'a str, key_id: &str) -> Option<Token<'a>> {
        #[derive(Deserialize)]
        struct Header<'a> {
            #[serde(borrow)]
            alg: Text<'a>,
            #[serde(borrow)]
            kid: Text<'a>,
        }
        let (input, signature) = text.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        if header.alg.as_str() != "ES256" || header.kid.as_str() != key_id {
            return None;
        }
        Some(Token { input, claims: decode(claims)?, signature: decode(signature)? })
    }

    pub(super) fn signing_input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn claims(&self) -> &[u8] {
        &self.claims
    }
}
