//! Leases to ask for.

use std::collections::BTreeMap;

use nuncio_core::lease::{Lease, LeaseError, Namespace};
use serde::ser::{Error as _, Serialize, Serializer};

/// A lease to ask for, put together pattern by pattern.
///
/// It is given to [`Submit::lease`](crate::arcp::Submit::lease) or [`Delegation::lease`](crate::arcp::Delegation::lease) as
/// it is. A pattern or an amount that breaks a rule (§9.2, §9.6) is reported when the request is made; [`build`] reports
/// it at once.
///
/// ```
/// # use nuncio_shared::arcp::{LeaseRequest, Namespace};
/// let lease = LeaseRequest::new()
///     .allow(Namespace::FsRead, "/workspace/**")
///     .allow(Namespace::ToolCall, "search.*")
///     .budget("USD", "2.50");
/// assert_eq!(
///     lease.build()?.to_json(),
///     r#"{"cost.budget":["USD:2.50"],"fs.read":["/workspace/**"],"tool.call":["search.*"]}"#,
/// );
/// assert!(LeaseRequest::new().allow(Namespace::FsRead, "workspace").build().is_err(), "a path is absolute");
/// # Ok::<(), nuncio_shared::arcp::LeaseError>(())
/// ```
///
/// [`build`]: LeaseRequest::build
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a lease is asked for by a submit or a delegation"]
pub struct LeaseRequest {
    grants: BTreeMap<Namespace, Vec<String>>,
}

impl LeaseRequest {
    /// The lease that allows nothing.
    pub fn new() -> LeaseRequest {
        LeaseRequest::default()
    }

    /// Allows what a pattern matches. `*` stands for any part of a segment, `**` for any number of segments.
    pub fn allow(mut self, namespace: Namespace, pattern: impl Into<String>) -> LeaseRequest {
        self.grants.entry(namespace).or_default().push(pattern.into());
        self
    }

    /// Grants an exact amount of a currency (§9.6). Amounts of the same currency are summed.
    pub fn budget(self, currency: &str, amount: &str) -> LeaseRequest {
        self.allow(Namespace::CostBudget, format!("{currency}:{amount}"))
    }

    /// Returns the lease, or the first pattern or amount that breaks a rule.
    pub fn build(&self) -> Result<Lease, LeaseError> {
        let object: BTreeMap<_, _> =
            self.grants.iter().map(|(namespace, patterns)| (namespace.as_str(), patterns)).collect();
        // A map of texts can be written.
        Lease::parse(&serde_json::to_string(&object).map_err(|_| LeaseError::Shape)?)
    }
}

/// Fails for a lease that [`build`](LeaseRequest::build) refuses.
impl Serialize for LeaseRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.build().map_err(S::Error::custom)?.serialize(serializer)
    }
}
