//! Public keys, and the keys by name.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The most keys of one name, so that a packet costs few verifications.
const MAX_KEYS: usize = 8;

/// Why bytes are not a public key, or a key is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The bytes are not an uncompressed point: the byte 4 and two coordinates of 32 bytes.
    #[error("a public key has 65 bytes, of which the first is 4")]
    Form,
    /// The text is not the PEM form of a key on P-256.
    #[error("this is not the PEM form of a key on P-256")]
    Pem,
    /// There are 8 keys of this name already.
    #[error("a name has at most {MAX_KEYS} keys")]
    TooMany,
}

/// A public key on P-256, as an uncompressed point (SEC 1). Whether the point is on the curve is the verifier's to check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 65]);

impl PublicKey {
    /// Takes an uncompressed point: the byte 4 and two coordinates of 32 bytes.
    pub fn from_sec1(bytes: &[u8]) -> Result<PublicKey, InvalidKey> {
        let point: [u8; 65] = bytes.try_into().map_err(|_| InvalidKey::Form)?;
        if point.first() == Some(&4) { Ok(PublicKey(point)) } else { Err(InvalidKey::Form) }
    }

    /// Takes an uncompressed point that was computed.
    #[cfg(feature = "p256")]
    pub(super) fn of_point(point: &[u8]) -> PublicKey {
        let mut bytes = [0; 65];
        bytes.iter_mut().zip(point).for_each(|(slot, byte)| *slot = *byte);
        PublicKey(bytes)
    }

    /// Returns the uncompressed point.
    pub fn as_sec1(&self) -> &[u8; 65] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        // Enough to tell keys apart in a log.
        for byte in self.0.iter().skip(1).take(8) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

/// Public keys by name: by the sender of packets, or by the key id that signed packets name. A name can have several keys,
/// so that a sender can change its key while packets of the old one are under way.
///
/// ```
/// use nuncio_core::cap::{Keyring, PublicKey};
///
/// # let (old, new) = (PublicKey::from_sec1(&[4; 65])?, PublicKey::from_sec1(&[4; 65])?);
/// let mut keys = Keyring::default();
/// keys.add("worker-1", old)?;
/// keys.add("worker-1", new)?;
/// assert_eq!(keys.of("worker-1").len(), 2);
/// keys.remove("worker-1", &old);
/// # Ok::<(), nuncio_core::cap::InvalidKey>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Keyring(BTreeMap<String, Vec<PublicKey>>);

impl Keyring {
    /// Adds a key to a name.
    ///
    /// Errors: [`InvalidKey::TooMany`] for the ninth key of a name.
    pub fn add(&mut self, name: impl Into<String>, key: PublicKey) -> Result<(), InvalidKey> {
        let keys = self.0.entry(name.into()).or_default();
        if keys.len() >= MAX_KEYS {
            return Err(InvalidKey::TooMany);
        }
        keys.push(key);
        Ok(())
    }

    /// Removes a key of a name.
    pub fn remove(&mut self, name: &str, key: &PublicKey) {
        if let Some(keys) = self.0.get_mut(name) {
            keys.retain(|other| other != key);
        }
    }

    /// Returns the names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the keys of a name.
    pub fn of(&self, name: &str) -> &[PublicKey] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
