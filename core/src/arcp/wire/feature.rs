//! The features that are negotiated at hello and welcome (§6.2).

use serde::ser::SerializeSeq;

/// The name of [`Feature::AcceptedReplay`] in `capabilities.features` (ours).
pub const ACCEPTED_REPLAY: &str = "x-vendor.nuncio.accepted_replay";
/// The name of [`Feature::Status`] in `capabilities.features` (ours).
const STATUS: &str = "x-vendor.nuncio.status";

/// A feature that two peers can negotiate (§6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Feature {
    /// `heartbeat` (§6.4)
    Heartbeat,
    /// `ack` (§6.5)
    Ack,
    /// `list_jobs` (§6.6)
    ListJobs,
    /// `subscribe` (§7.6)
    Subscribe,
    /// `lease_expires_at` (§9.5)
    LeaseExpiresAt,
    /// `cost.budget` (§9.6)
    CostBudget,
    /// `model.use` (§9.7)
    ModelUse,
    /// `provisioned_credentials` (§9.8)
    ProvisionedCredentials,
    /// `progress` (§8.2.1)
    Progress,
    /// `result_chunk` (§8.4)
    ResultChunk,
    /// `agent_versions` (§7.5)
    AgentVersions,
    /// `x-vendor.nuncio.accepted_replay` (ours): a client that asks for it receives the `job.accepted` of a job again
    /// after a resume, and that of a delegated job.
    AcceptedReplay,
    /// `x-vendor.nuncio.status` (ours): the runtime tells its operators its state.
    Status,
}

impl Feature {
    /// All features: those of the specification in the order of the example in §6.2, then ours.
    pub const ALL: [Feature; 13] = [
        Feature::Heartbeat,
        Feature::Ack,
        Feature::ListJobs,
        Feature::Subscribe,
        Feature::LeaseExpiresAt,
        Feature::CostBudget,
        Feature::ModelUse,
        Feature::ProvisionedCredentials,
        Feature::Progress,
        Feature::ResultChunk,
        Feature::AgentVersions,
        Feature::AcceptedReplay,
        Feature::Status,
    ];

    /// Returns the feature as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Feature::Heartbeat => "heartbeat",
            Feature::Ack => "ack",
            Feature::ListJobs => "list_jobs",
            Feature::Subscribe => "subscribe",
            Feature::LeaseExpiresAt => "lease_expires_at",
            Feature::CostBudget => "cost.budget",
            Feature::ModelUse => "model.use",
            Feature::ProvisionedCredentials => "provisioned_credentials",
            Feature::Progress => "progress",
            Feature::ResultChunk => "result_chunk",
            Feature::AgentVersions => "agent_versions",
            Feature::AcceptedReplay => ACCEPTED_REPLAY,
            Feature::Status => STATUS,
        }
    }

    /// Returns the feature that is written like this, or `None` for an unknown one, which both peers ignore.
    pub fn parse(text: &str) -> Option<Feature> {
        Feature::ALL.into_iter().find(|feature| feature.as_str() == text)
    }
}

/// A set of features.
///
/// ```
/// use nuncio_core::arcp::{Feature, Features};
///
/// let features = Features::ALL.without(Feature::Progress);
/// assert!(features.has(Feature::Ack));
/// assert!(!features.has(Feature::Progress));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u16);

impl Features {
    /// The empty set, which a hello without capabilities negotiates.
    pub const NONE: Features = Features(0);
    /// All features.
    pub const ALL: Features = Features((1 << Feature::ALL.len()) - 1);

    /// Returns whether the set contains `feature`.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }

    /// Returns the set with `feature`.
    pub const fn with(self, feature: Feature) -> Features {
        Features(self.0 | (1 << feature as u8))
    }

    /// Returns the set without `feature`.
    pub const fn without(self, feature: Feature) -> Features {
        Features(self.0 & !(1 << feature as u8))
    }

    /// Returns the features that are in both sets.
    pub const fn intersection(self, other: Features) -> Features {
        Features(self.0 & other.0)
    }

    /// Returns the features of the set, in the order of [`Feature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.has(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Features {
        features.into_iter().fold(Features::NONE, Features::with)
    }
}

impl serde::Serialize for Features {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for feature in self.iter() {
            seq.serialize_element(feature.as_str())?;
        }
        seq.end()
    }
}
