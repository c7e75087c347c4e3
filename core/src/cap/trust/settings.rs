//! The settings of a trust session: the identity of the worker, its scheduler, and its timeouts.

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use crate::cap::signature::host::Signer;
use crate::cap::signature::key::{InvalidKey, Keyring};

/// Whom requests for a challenge are meant for (spec/14).
pub(super) const AUDIENCE: &str = "cordum-scheduler";
/// The longest name of a worker, key, agent or tenant in bytes.
const MAX_NAME: usize = 256;
/// The longest time to wait for a reply, and between renewals at least.
const MAX_TIME: Duration = Duration::from_mins(1);
/// The most attempts of one exchange.
const MAX_ATTEMPTS: u32 = 10;

/// What a worker does if no session can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustMode {
    /// It takes jobs without a session if the scheduler cannot be reached. If the scheduler rejects it, or something is
    /// wrong with an answer, it takes none.
    Warn,
    /// It takes no jobs.
    Enforce,
}

/// The names of a worker's trust session. Each has 1 to 256 visible ASCII characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustNames {
    /// The agent that the worker belongs to, as it is enrolled.
    pub agent_id: String,
    /// The tenant that the worker belongs to, as it is enrolled.
    pub tenant_id: String,
    /// The key of the worker.
    pub proof_key_id: String,
    /// The scheduler: the only sender whose jobs are taken.
    pub scheduler_id: String,
}

/// How patient a worker is with its scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustPace {
    /// The time to wait for a reply, at most 60 s. Default: 10 s.
    pub timeout: Duration,
    /// How often an exchange is tried if the scheduler cannot be reached, 1 to 10. Default: 3.
    pub attempts: u32,
    /// The shortest time between a session and its renewal, and the time after which an exchange that has failed is tried
    /// again; at most 60 s. Default: 30 s.
    pub renew_interval: Duration,
}

impl Default for TrustPace {
    fn default() -> TrustPace {
        TrustPace { timeout: Duration::from_secs(10), attempts: 3, renew_interval: Duration::from_secs(30) }
    }
}

/// Why settings of a trust session are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrust {
    /// A name is empty, too long, or not visible ASCII.
    #[error("{0} must have 1 to 256 visible ASCII characters")]
    Name(&'static str),
    /// There is no key of the scheduler.
    #[error("at least one key of the scheduler is needed")]
    NoKeys,
    /// There are too many keys of the scheduler.
    #[error("the keys of the scheduler: {0}")]
    Keys(#[from] InvalidKey),
    /// A time or a number is out of its bounds.
    #[error("{0} is out of its bounds")]
    Bounds(&'static str),
}

/// The settings of a worker's trust session.
///
/// ```
/// # #[cfg(feature = "p256")]
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use std::sync::Arc;
///
/// use nuncio_core::cap::{Keyring, P256Signer, TrustNames, TrustPace, TrustSettings};
///
/// let proof = P256Signer::from_bytes(&[7; 32])?; // with 32 secret random bytes
/// let mut scheduler_keys = Keyring::default();
/// # let scheduler_key = P256Signer::from_bytes(&[8; 32])?.public_key();
/// scheduler_keys.add("server-1", scheduler_key)?; // by key id
/// let names = TrustNames {
///     agent_id: "agent-1".into(),
///     tenant_id: "tenant-1".into(),
///     proof_key_id: "proof-1".into(),
///     scheduler_id: "scheduler-1".into(),
/// };
/// let settings = TrustSettings::new(names, Arc::new(proof), scheduler_keys)?;
/// assert_eq!(settings.pace(), TrustPace::default());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "p256"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct TrustSettings {
    names: TrustNames,
    proof: Arc<dyn Signer>,
    scheduler_keys: Keyring,
    /// The same keys by the name of the scheduler, for packets in the generic form.
    pins: Keyring,
    sdk_version: String,
    pace: TrustPace,
}

/// Returns whether a text can be a name: 1 to 256 visible ASCII characters.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl TrustSettings {
    /// Returns settings for a worker that signs with `proof` and believes a scheduler that signs with one of some keys, by
    /// key id.
    ///
    /// Errors: a name is not valid, or there are no keys or too many.
    pub fn new(
        names: TrustNames,
        proof: Arc<dyn Signer>,
        scheduler_keys: Keyring,
    ) -> Result<TrustSettings, InvalidTrust> {
        let checked = [
            ("agent_id", &names.agent_id),
            ("tenant_id", &names.tenant_id),
            ("proof_key_id", &names.proof_key_id),
            ("scheduler_id", &names.scheduler_id),
        ];
        if let Some((field, _)) = checked.into_iter().find(|(_, name)| !is_name(name)) {
            return Err(InvalidTrust::Name(field));
        }
        if !scheduler_keys.names().all(is_name) {
            return Err(InvalidTrust::Name("the id of a scheduler's key"));
        }
        let mut pins = Keyring::default();
        for key in scheduler_keys.names().flat_map(|name| scheduler_keys.of(name)) {
            pins.add(names.scheduler_id.as_str(), *key)?;
        }
        if pins.of(&names.scheduler_id).is_empty() {
            return Err(InvalidTrust::NoKeys);
        }
        let sdk_version = String::from(concat!("nuncio/", env!("CARGO_PKG_VERSION")));
        Ok(TrustSettings { names, proof, scheduler_keys, pins, sdk_version, pace: TrustPace::default() })
    }

    /// Returns these settings with another pace.
    ///
    /// Errors: a time or the number of attempts is out of its bounds.
    pub fn with_pace(self, pace: TrustPace) -> Result<TrustSettings, InvalidTrust> {
        let is_bounded = |time: Duration| time > Duration::ZERO && time <= MAX_TIME;
        if !is_bounded(pace.timeout) {
            return Err(InvalidTrust::Bounds("timeout"));
        }
        if !is_bounded(pace.renew_interval) {
            return Err(InvalidTrust::Bounds("renew_interval"));
        }
        if !(1..=MAX_ATTEMPTS).contains(&pace.attempts) {
            return Err(InvalidTrust::Bounds("attempts"));
        }
        Ok(TrustSettings { pace, ..self })
    }

    /// Returns these settings with another name of the worker's software. Default: `nuncio/` and the version of this crate.
    ///
    /// Errors: the name is not valid.
    pub fn with_sdk_version(self, sdk_version: impl Into<String>) -> Result<TrustSettings, InvalidTrust> {
        let sdk_version = sdk_version.into();
        if is_name(&sdk_version) {
            Ok(TrustSettings { sdk_version, ..self })
        } else {
            Err(InvalidTrust::Name("sdk_version"))
        }
    }

    /// Returns the names.
    pub fn names(&self) -> &TrustNames {
        &self.names
    }

    /// Returns the pace.
    pub fn pace(&self) -> TrustPace {
        self.pace
    }

    /// Returns the name of the worker's software.
    pub fn sdk_version(&self) -> &str {
        &self.sdk_version
    }

    /// Returns what signs for the worker.
    pub(crate) fn proof(&self) -> &dyn Signer {
        &*self.proof
    }

    /// Returns the keys of the scheduler by key id.
    pub(crate) fn scheduler_keys(&self) -> &Keyring {
        &self.scheduler_keys
    }

    /// Returns the keys of the scheduler by its name.
    pub(crate) fn pins(&self) -> &Keyring {
        &self.pins
    }
}
