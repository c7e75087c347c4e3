//! The answers of a token service.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::claims::Claims;
use super::jwt;
use crate::caracal::wire::answer::write::Reply;
use crate::json::{Object, strings};

/// Why no token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The body is not a form in UTF-8.
    Form,
    Missing(&'static str),
    Repeated(&'static str),
    GrantType,
    /// An exchange that a larger token service has.
    Unsupported,
    Lifetime,
    TooMuch,
    /// The application is unknown, or the secret is wrong.
    Credentials,
    Scope,
    /// A resource does not exist, or lacks a scope.
    Resource,
    Zone,
}

impl Refused {
    pub(super) fn reply(self, request_id: &str) -> Reply {
        let invalid = (400, "invalid_request");
        let ((status, code), sentence) = match self {
            Refused::Form => (invalid, "the request is not a form in UTF-8".into()),
            Refused::Missing(name) => (invalid, alloc::format!("the field {name} is missing")),
            Refused::Repeated(name) => (invalid, alloc::format!("the field {name} is repeated")),
            Refused::GrantType => (invalid, "grant_type has to be that of a token exchange".into()),
            Refused::Unsupported => (
                invalid,
                "this token service exchanges client secrets only, for tokens without session and edge".into(),
            ),
            Refused::Lifetime => (invalid, "ttl_seconds has to be a number of seconds".into()),
            Refused::TooMuch => (invalid, "there are too many scopes or resources, or one is too long".into()),
            Refused::Credentials => {
                ((401, "access_denied"), "the application is unknown, or the secret is wrong".into())
            }
            Refused::Scope => {
                ((403, "scope_insufficient"), "the application was not granted one of these scopes".into())
            }
            Refused::Resource => {
                ((400, "invalid_target"), "a resource does not exist, or does not have one of these scopes".into())
            }
            Refused::Zone => ((404, "zone_invalid"), String::from("there is no such zone")),
        };
        let body = Object::new().text("error", code).text("error_description", &sentence).text("requestId", request_id);
        Reply::json(status, body.close())
    }
}

/// A token that a host has to sign. It is not part of its `Debug` form.
pub struct UnsignedToken {
    input: String,
    lifetime: u64,
    scope: String,
    resources: Vec<Box<str>>,
}

impl UnsignedToken {
    pub(super) fn new(key_id: &str, claims: &Claims, resources: Vec<Box<str>>) -> UnsignedToken {
        UnsignedToken {
            input: jwt::signing_input(key_id, &claims.write()),
            lifetime: claims.lifetime(),
            scope: claims.scope(),
            resources,
        }
    }

    /// Returns the bytes to sign, with ES256.
    pub fn signing_input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Returns the answer with the signed token. `signature` is the two numbers of the signature one after another.
    pub fn issued(self, signature: &[u8]) -> Reply {
        let body = Object::with_capacity(self.input.len().saturating_add(512))
            .text("access_token", &jwt::signed(self.input, signature))
            .text("issued_token_type", "urn:ietf:params:oauth:token-type:access_token")
            .text("token_type", "Bearer")
            .value("expires_in", self.lifetime)
            .text("scope", &self.scope)
            .json("target_resources", &strings(self.resources.iter().map(|resource| &**resource)))
            .close();
        Reply::json(200, body).with("cache-control", "no-store")
    }
}

impl fmt::Debug for UnsignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedToken").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Writes a JSON Web Key Set with one key.
pub(super) fn public_keys(key_id: &str, x: &[u8; 32], y: &[u8; 32]) -> Reply {
    let key = Object::new()
        .text("kty", "EC")
        .text("crv", "P-256")
        .text("use", "sig")
        .text("alg", "ES256")
        .text("kid", key_id)
        .text("x", &jwt::encoded(x))
        .text("y", &jwt::encoded(y))
        .close();
    let body = Object::new().json("keys", &alloc::format!("[{key}]")).close();
    Reply::json(200, body).with("cache-control", "public, max-age=300")
}
