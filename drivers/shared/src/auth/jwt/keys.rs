//! The keys of token issuers, from memory and from files that change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use nuncio_core::time::Time;
use tracing::{info, warn};

use super::error::{JwtError, JwtKeyError};
use crate::io::Sanitized;
use crate::io::clock::{Clock, micros};
use crate::io::sync::lock;

/// The shortest secret for HS256, in bytes (RFC 7518 §3.2).
const MIN_SECRET: usize = 32;

/// The shortest modulus of an RSA key, in bytes (RFC 7518 §3.3).
const MIN_MODULUS: usize = 256;

/// The length of an uncompressed point on P-256, in bytes.
const P256_POINT: usize = 65;

const PRIVATE: &[u8] = b" PRIVATE KEY-----";

/// A file is read again because of an unknown `kid` at most this often.
const REREAD: Duration = Duration::from_secs(5);

/// The keys of token issuers, for a [`JwtVerifier`](crate::auth::JwtVerifier).
pub struct JwtKeys {
    source: Source,
}

enum Source {
    Fixed(Arc<[JwtKey]>),
    File { path: PathBuf, held: Mutex<Held> },
}

/// The keys that were last read from a file.
struct Held {
    keys: Arc<[JwtKey]>,
    stamp: Option<Stamp>,
    clock: Clock,
    read: Time,
}

/// The modification time and length of a file: they change with its contents.
type Stamp = (Option<SystemTime>, u64);

/// A key and the only algorithm it is for.
#[derive(Clone)]
pub(crate) struct JwtKey {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl JwtKeys {
    /// Uses a secret that is shared with the issuer (HS256).
    pub fn secret(secret: &[u8]) -> Result<JwtKeys, JwtKeyError> {
        if secret.len() < MIN_SECRET {
            return Err(JwtKeyError::ShortSecret(secret.len()));
        }
        let key = DecodingKey::from_secret(secret).map_err(|_| JwtKeyError::ShortSecret(secret.len()))?;
        Ok(JwtKeys::fixed(Algorithm::HS256, key))
    }

    /// Uses the public key of an issuer in PEM form: RS256 for an RSA key, ES256 for a key on P-256.
    pub fn pem(pem: &[u8]) -> Result<JwtKeys, JwtKeyError> {
        if pem.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
            return Err(JwtKeyError::Private);
        }
        let bytes = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            // The encoding has only a few bytes besides the modulus.
            return if bytes(&key) < MIN_MODULUS {
                Err(JwtKeyError::ShortModulus)
            } else {
                Ok(JwtKeys::fixed(Algorithm::RS256, key))
            };
        }
        match DecodingKey::from_ec_pem(pem) {
            Ok(key) if bytes(&key) == P256_POINT => Ok(JwtKeys::fixed(Algorithm::ES256, key)),
            Ok(_) | Err(_) => Err(JwtKeyError::Pem),
        }
    }

    /// Uses the keys of a file with a JSON Web Key Set (RFC 7517 §5).
    ///
    /// The file is read again when it has changed, and, at most every 5 s, when a token names a key that is not in it.
    /// While the file cannot be read, the keys that were read before stay valid.
    pub fn jwks_file(path: impl AsRef<Path>) -> Result<JwtKeys, JwtKeyError> {
        let path = path.as_ref().to_owned();
        let stamp = stamp(&path);
        let clock = Clock::start();
        let held = Held { keys: read(&path)?, stamp, clock, read: clock.now() };
        Ok(JwtKeys { source: Source::File { path, held: Mutex::new(held) } })
    }

    fn fixed(algorithm: Algorithm, key: DecodingKey) -> JwtKeys {
        JwtKeys { source: Source::Fixed([JwtKey { kid: None, algorithm, key }].into()) }
    }

    /// Returns the key that a token names, or the only one for its algorithm if it names none.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<JwtKey, JwtError> {
        let keys = match &self.source {
            // The only key has no name here, so the issuer's name for it does not matter.
            Source::Fixed(keys) => return choose(keys, None, algorithm),
            Source::File { path, held } => lock(held).refreshed(path, false),
        };
        match (choose(&keys, kid, algorithm), &self.source) {
            (Err(JwtError::UnknownKey(_)), Source::File { path, held }) => {
                choose(&lock(held).refreshed(path, true), kid, algorithm)
            }
            (chosen, _) => chosen,
        }
    }
}

/// Returns the key that a token names, or the only one for its algorithm if it names none.
pub(crate) fn choose(keys: &[JwtKey], kid: Option<&str>, algorithm: Algorithm) -> Result<JwtKey, JwtError> {
    let Some(kid) = kid else {
        return match keys {
            [only] if only.algorithm == algorithm => Ok(only.clone()),
            [_] => Err(JwtError::Algorithm),
            keys => {
                let mut possible = keys.iter().filter(|key| key.algorithm == algorithm);
                match (possible.next(), possible.next()) {
                    (Some(only), None) => Ok(only.clone()),
                    _ => Err(JwtError::NoKeyNamed),
                }
            }
        };
    };
    let named = keys.iter().find(|key| key.kid.as_deref() == Some(kid));
    let named = named.ok_or_else(|| JwtError::UnknownKey(kid.chars().take(64).collect()))?;
    if named.algorithm == algorithm { Ok(named.clone()) } else { Err(JwtError::Algorithm) }
}

impl Held {
    /// Returns the keys. They are read again if the file has changed, and also if it has not when `wanted` is set and
    /// the last time is long enough ago.
    fn refreshed(&mut self, path: &Path, wanted: bool) -> Arc<[JwtKey]> {
        let stamp = stamp(path);
        let changed = stamp.is_some() && stamp != self.stamp;
        let now = self.clock.now();
        if changed || (wanted && now.since(self.read) >= micros(REREAD)) {
            self.read = now;
            self.stamp = stamp;
            match read(path) {
                Ok(keys) => {
                    info!(path = %Sanitized(&path.display()), keys = keys.len(), "the keys were read again");
                    self.keys = keys;
                }
                Err(error) => {
                    warn!(error = %Sanitized(&error), "the keys could not be read again; the previous ones stay valid");
                }
            }
        }
        Arc::clone(&self.keys)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|found| (found.modified().ok(), found.len()))
}

fn read(path: &Path) -> Result<Arc<[JwtKey]>, JwtKeyError> {
    let text = std::fs::read(path).map_err(|error| JwtKeyError::File { path: path.to_owned(), error })?;
    let keys = read_keys(&text).map_err(|error| JwtKeyError::Set { path: path.to_owned(), error })?;
    if keys.is_empty() { Err(JwtKeyError::Empty(path.to_owned())) } else { Ok(keys) }
}

/// Reads a JSON Web Key Set. Keys of an unknown kind are skipped.
pub(crate) fn read_keys(text: &[u8]) -> serde_json::Result<Arc<[JwtKey]>> {
    let set: Set = serde_json::from_slice(text)?;
    Ok(set.keys.into_iter().filter_map(key).collect())
}

#[derive(serde::Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

fn key(json: serde_json::Value) -> Option<JwtKey> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let signs = !matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature);
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        // The modulus is base64url without padding: 4 characters for 3 bytes.
        AlgorithmParameters::RSA(key) if key.n.len() < MIN_MODULUS * 4 / 3 => return None,
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if !signs || jwk.common.key_algorithm.is_some_and(|other| other != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    if algorithm == Algorithm::HS256 && key.try_get_as_bytes().is_ok_and(|secret| secret.len() < MIN_SECRET) {
        return None;
    }
    Some(JwtKey { kid: jwk.common.key_id, algorithm, key })
}

impl fmt::Debug for JwtKeys {
    /// Does not show the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("JwtKeys");
        if let Source::File { path, .. } = &self.source {
            shown.field("path", path);
        }
        shown.finish_non_exhaustive()
    }
}
