//! Leases (§9): what a job may do, and whether one lease is within another.
//!
//! A [`Lease`] is a value that only narrows: it is read once from a `lease_request` ([`Lease::parse`]), asked before
//! every [`Operation`] ([`Lease::covers`]) and compared with the lease of a child ([`Lease::includes`]). It knows
//! neither expiry nor spending.
//!
//! # The pattern language (§9.2 says "glob"; the rest is ours)
//!
//! A target is a non-empty text, read as the sequence of its segments between `/` characters: `/ws/a` has the three
//! segments "", "ws" and "a", and `/` has two empty ones. A pattern is split in the same way and must match the whole
//! target, case-sensitively:
//!
//! - a segment that is exactly `**` stands for any number of whole segments, none included;
//! - in every other segment `*` stands for any run of characters, the empty one included, and never for a `/`; a longer
//!   run of `*` means the same as one;
//! - every other character stands for itself, `?`, `[`, `]` and `\` too. There is no escape.
//!
//! Hence `**` matches everything; `**/a` matches `a`, `/a`, `x/a` and not `xa`; `a/**/b` matches `a/b` and `a/x/y/b`;
//! `/ws/**` matches `/ws`, `/ws/` and `/ws/a/b` and not `/wsx`; `/**` matches whatever begins with `/`; `/*` matches
//! `/` and `/a` and not `/a/b`.
//!
//! # Canonical form
//!
//! Patterns and targets are brought into one canonical form ([`CanonicalError`] lists what has none) and matched as
//! texts afterwards, so that no two spellings of one resource get two answers. The forms are per namespace:
//!
//! - `fs.read`, `fs.write`: an absolute POSIX path, resolved by its text alone. A link that leads elsewhere is for the
//!   agent to refuse. In patterns `.`, `..`, `//` and a trailing `/` are refused; a pattern that begins with `**` is
//!   rewritten to begin with `/**`, which means the same for paths.
//! - `net.fetch`: an absolute URL `scheme://host[:port]/path[?query]`. Escapes are written in lower case, and those of
//!   unreserved characters decoded; an empty path is `/`; `..` above the root is absorbed, as RFC 3986 has it. In
//!   patterns a `..` that would remove a segment with a `*` is refused, and so is a default port or trailing dot after
//!   a host that ends in `*`, since that `*` matches a port too and dropping what follows it would widen the pattern.
//!   The pattern `**` needs no scheme, and `scheme://**` is every URL of the scheme.
//! - all others: the text itself, without a `..` segment.

mod canonical;
mod inclusion;
mod namespace;
mod operation;
mod parse;
mod pattern;
mod url;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use self::canonical::CanonicalError;
pub use self::inclusion::SubsetError;
pub use self::namespace::Namespace;
pub use self::operation::{Operation, TargetError};
pub use self::parse::LeaseError;
pub use self::pattern::Pattern;
use crate::budget::Amounts;

/// The most namespaces a lease may name.
pub const MAX_NAMESPACES: usize = 64;
/// The most patterns a lease may have, over all its namespaces.
pub const MAX_PATTERNS: usize = 1024;
/// The longest pattern, as given and in its canonical form, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// The longest target of an operation as it is given, in bytes. It can grow threefold in its canonical form.
pub const MAX_TARGET_BYTES: usize = 16 * 1024;

/// What a job may do: patterns by namespace, in the order of the request. The default lease allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    grants: Vec<Grant>,
    budget: Option<Amounts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    namespace: Namespace,
    patterns: Vec<Pattern>,
}

impl Lease {
    /// Reads the raw JSON text of a `lease_request`: an object of non-empty arrays of non-empty strings. `{}` is the
    /// lease that allows nothing.
    ///
    /// Every error means `INVALID_REQUEST`.
    pub fn parse(json: &str) -> Result<Lease, LeaseError> {
        parse::parse(json)
    }

    /// The JSON text of this lease: namespaces and patterns in the order of the request, patterns in canonical form,
    /// amounts as they were given. [`Lease::parse`] reads it as an equal lease.
    pub fn to_json(&self) -> String {
        // An object of arrays of strings always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the lease names this namespace.
    pub fn names(&self, namespace: &Namespace) -> bool {
        self.grants.iter().any(|grant| grant.namespace == *namespace)
    }

    /// The patterns of this namespace; those of `cost.budget` are amount strings. Empty if the lease does not name it.
    pub fn patterns(&self, namespace: &Namespace) -> &[Pattern] {
        self.grants.iter().find(|grant| grant.namespace == *namespace).map_or(&[], |grant| &grant.patterns)
    }

    /// The namespaces the lease names, in the order of the request.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.grants.iter().map(|grant| &grant.namespace)
    }

    /// Whether the lease names nothing.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// The amounts of `cost.budget`, summed per currency; `None` if the lease does not name it.
    pub fn budget(&self) -> Option<&Amounts> {
        self.budget.as_ref()
    }

    /// Whether a pattern of the operation's namespace matches its target (§9.3).
    ///
    /// The work is bounded: a hostile lease and target that would take more than four million steps are not covered
    /// (ours). A thousand ordinary patterns need a hundred thousand.
    pub fn covers(&self, operation: &Operation) -> bool {
        let mut work = pattern::MATCH_WORK;
        self.patterns(operation.namespace()).iter().any(|pattern| pattern.matches(operation.target(), &mut work))
    }

    /// Whether this lease covers every operation that `child` covers (§9.4): for each of the child's namespaces, every
    /// pattern matches only what some pattern of this lease matches. Equal leases include each other.
    ///
    /// Decided exactly: what is refused as a violation would let the child do something that this lease does not allow.
    /// (Exactly over all non-empty texts, so soundly over the canonical targets among them; for paths and names the two
    /// are the same, as a `*` can always stand for a character.) `cost.budget` is not looked at, since amounts are
    /// compared with what remains of them: [`Budget::set_aside`](crate::budget::Budget::set_aside). Nor is expiry,
    /// which a lease does not know.
    ///
    /// `work` is a budget of elementary steps, tens of nanoseconds and at most 32 bytes of memory each, and is reduced
    /// by what was used. A hundred ordinary patterns on either side need some hundred thousand steps. Only patterns
    /// with many `**` can need many more than the product of the lengths.
    ///
    /// Errors: [`SubsetError::Violation`] and [`SubsetError::TooComplex`], both `LEASE_SUBSET_VIOLATION`.
    pub fn includes(&self, child: &Lease, work: &mut u64) -> Result<(), SubsetError> {
        let comparable = child.grants.iter().filter(|grant| grant.namespace != Namespace::CostBudget);
        for Grant { namespace, patterns } in comparable {
            inclusion::check(namespace, self.patterns(namespace), patterns, work)?;
        }
        Ok(())
    }

    /// An upper estimate of the heap memory this holds, in bytes.
    pub fn bytes_held(&self) -> usize {
        let grants = self.grants.iter().map(|Grant { namespace, patterns }| {
            let texts: usize = patterns.iter().map(|pattern| pattern.as_str().len()).sum();
            size_of::<Grant>() + namespace.as_str().len() + patterns.capacity() * size_of::<Pattern>() + texts
        });
        grants.sum::<usize>().saturating_add(self.budget.as_ref().map_or(0, Amounts::bytes_held))
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

/// The beginning of a peer's text, short enough for a message.
fn shown(text: &str) -> Box<str> {
    const SHOWN_CHARS: usize = 128;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => [text.get(..end).unwrap_or_default(), "…"].concat().into(),
        None => text.into(),
    }
}
