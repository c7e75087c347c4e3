//! Leases (§9): what a job may do, and whether one lease includes another.
//!
//! A [`Lease`] is an immutable value. It is parsed once from a `lease_request` ([`Lease::parse`]), checked before every
//! [`Operation`] ([`Lease::covers`]), and compared with the lease of a delegated job ([`Lease::includes`]), which may
//! only be narrower. Its expiry and what was spent of its budget are kept elsewhere.
//!
//! # The pattern language (§9.2 says "glob"; the rest is ours)
//!
//! A target is a non-empty text, read as the sequence of its segments between `/` characters: `/ws/a` has the three
//! segments "", "ws" and "a", and `/` has two empty ones. A pattern is split in the same way and must match the whole
//! target, case-sensitively:
//!
//! - a segment that is exactly `**` matches any number of whole segments, including none;
//! - in every other segment `*` matches any run of characters, including the empty one, but never a `/`; a longer run of
//!   `*` means the same as one;
//! - every other character matches itself, including `?`, `[`, `]` and `\`. There is no escape.
//!
//! | Pattern  | matches                       | but not  |
//! |----------|-------------------------------|----------|
//! | `**`     | everything                    |          |
//! | `**/a`   | `a`, `/a`, `x/a`              | `xa`     |
//! | `a/**/b` | `a/b`, `a/x/y/b`              | `a/xb`   |
//! | `/ws/**` | `/ws`, `/ws/`, `/ws/a/b`      | `/wsx`   |
//! | `/**`    | everything that begins with `/` | `a`    |
//! | `/*`     | `/`, `/a`                     | `/a/b`   |
//!
//! # Canonical form
//!
//! Patterns and targets are brought into a canonical form ([`CanonicalError`] lists what has none) and compared as
//! texts afterwards, so that two spellings of one resource always get the same answer. The form depends on the
//! namespace:
//!
//! - `fs.read`, `fs.write`: an absolute POSIX path, resolved by its text alone; an agent must itself refuse links that
//!   lead elsewhere. In patterns `.`, `..`, `//` and a trailing `/` are refused. A pattern that begins with `**` is
//!   rewritten to begin with `/**`, which means the same for paths.
//! - `net.fetch`: an absolute URL `scheme://host[:port]/path[?query]`. Escapes are written in lower case, and those of
//!   unreserved characters are decoded; an empty path becomes `/`; a `..` above the root is absorbed (RFC 3986). In
//!   patterns two things are refused: a `..` that would remove a segment with a `*`; and a default port or trailing dot
//!   after a host that ends in `*`, because that `*` also matches a port and dropping what follows it would widen the
//!   pattern. The pattern `**` needs no scheme, and `scheme://**` is every URL of the scheme.
//! - all others: the text itself, which must not have a `..` segment.

mod canonical;
mod excerpt;
mod grant;
mod inclusion;
mod index;
mod namespace;
mod operation;
mod parse;
mod pattern;
mod work;

use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use self::canonical::CanonicalError;
use self::grant::Grant;
pub use self::inclusion::SubsetError;
pub use self::namespace::{Namespace, VendorNamespace};
pub use self::operation::{MAX_TARGET_BYTES, Operation, TargetError};
pub use self::parse::{LeaseError, MAX_NAMESPACES, MAX_PATTERNS};
pub use self::pattern::{MAX_PATTERN_BYTES, Pattern};
use self::work::Work;
use crate::budget::Amounts;

/// What a job may do: patterns by namespace, in the order of the request. The default lease allows nothing.
///
/// ```
/// use nuncio_core::lease::{Lease, Operation};
///
/// let lease = Lease::parse(r#"{"fs.read":["/ws/**"],"agent.delegate":["*"]}"#)?;
/// assert!(lease.covers(&Operation::new("fs.read", "/ws/notes/../a.txt")?));
/// assert!(!lease.covers(&Operation::new("fs.read", "/ws/../etc/passwd")?));
///
/// let mut work = 1_000_000;
/// let child = Lease::parse(r#"{"fs.read":["/ws/src/*"]}"#)?;
/// assert!(lease.includes(&child, &mut work).is_ok());
/// assert!(child.includes(&lease, &mut work).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    grants: Vec<Grant>,
    budget: Option<Amounts>,
}

impl Lease {
    /// Parses the JSON text of a `lease_request`: an object of non-empty arrays of non-empty strings. `{}` is the lease
    /// that allows nothing.
    ///
    /// # Errors
    ///
    /// Every error means `INVALID_REQUEST`.
    pub fn parse(json: &str) -> Result<Lease, LeaseError> {
        let parse::Parsed { grants, budget } = parse::parse(json)?;
        Ok(Lease { grants, budget })
    }

    /// Returns the JSON text of this lease: namespaces and patterns in the order of the request, patterns in canonical
    /// form, amounts as they were given. [`Lease::parse`] reads it as an equal lease.
    pub fn to_json(&self) -> String {
        if self.is_empty() {
            return String::from("{}");
        }
        // An object of arrays of strings always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns whether the lease names this namespace.
    pub fn names(&self, namespace: &Namespace) -> bool {
        self.grants.iter().any(|grant| grant.namespace == *namespace)
    }

    /// Returns the patterns of this namespace, or none if the lease does not name it. Those of `cost.budget` are amount
    /// strings.
    pub fn patterns(&self, namespace: &Namespace) -> &[Pattern] {
        self.grants.iter().find(|grant| grant.namespace == *namespace).map_or(&[], |grant| &grant.patterns)
    }

    /// Returns the namespaces that the lease names, in the order of the request.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.grants.iter().map(|grant| &grant.namespace)
    }

    /// Returns whether the lease names no namespace and so allows nothing.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// Returns the amounts of `cost.budget`, summed by currency, or `None` if the lease does not name it.
    pub fn budget(&self) -> Option<&Amounts> {
        self.budget.as_ref()
    }

    /// Returns whether a pattern of the operation's namespace matches its target (§9.3).
    ///
    /// The work is bounded: an operation that would take more than 25 000 steps is not covered (ours). Only a hostile lease
    /// and target need that many; a thousand ordinary patterns need some thousand steps.
    pub fn covers(&self, operation: &Operation) -> bool {
        let mut work = Lease::WORK;
        self.covers_within(operation, &mut work) == Some(true)
    }

    /// The steps that are enough for ordinary leases and take about half a millisecond at most.
    pub(crate) const WORK: u64 = 25_000;

    /// As [`Lease::covers`]; `work` is reduced by the steps taken. The answer is `None` if it would take more.
    pub(crate) fn covers_within(&self, operation: &Operation, work: &mut u64) -> Option<bool> {
        let mut work = Work::new(work);
        for pattern in self.patterns(operation.namespace()) {
            if pattern.matches(operation.target(), &mut work).ok()? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Checks that this lease covers every operation that `child` covers (§9.4): in each of the child's namespaces
    /// every pattern matches only what some pattern of this lease matches. Equal leases include each other.
    ///
    /// The decision is exact: a violation is reported only if the child could do something that this lease does not
    /// allow. (It is exact over all non-empty texts, and therefore sound over the canonical targets among them. For
    /// paths and names the two are the same, because a `*` can always stand for an ordinary character.)
    ///
    /// `cost.budget` is not compared, because amounts are compared with what remains of them by
    /// [`Budget::set_aside`](crate::budget::Budget::set_aside). Neither is expiry, which is not part of a lease.
    ///
    /// `work` is a number of elementary steps, each worth some twenty nanoseconds and at most 32 bytes of memory. It is
    /// reduced by what was used. A thousand patterns on either side that begin with different texts need some ten thousand
    /// steps. Patterns that begin with a wildcard are compared each with each, and only patterns with many `**` can need
    /// much more than the product of the lengths.
    ///
    /// # Errors
    ///
    /// [`SubsetError::Violation`] and [`SubsetError::TooComplex`]; both mean `LEASE_SUBSET_VIOLATION`.
    pub fn includes(&self, child: &Lease, work: &mut u64) -> Result<(), SubsetError> {
        let comparable = child.grants.iter().filter(|grant| grant.namespace != Namespace::CostBudget);
        for Grant { namespace, patterns } in comparable {
            inclusion::check(namespace, self.patterns(namespace), patterns, work)?;
        }
        Ok(())
    }

    /// Returns an upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        let grants: usize = self.grants.iter().map(Grant::bytes_held).sum();
        grants.saturating_add(self.budget.as_ref().map_or(0, Amounts::bytes_held))
    }
}

impl Serialize for Lease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.grants.len()))?;
        for Grant { namespace, patterns } in &self.grants {
            map.serialize_entry(namespace.as_str(), patterns)?;
        }
        map.end()
    }
}
