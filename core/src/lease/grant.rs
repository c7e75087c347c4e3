//! The part of a lease that concerns one namespace.

use alloc::vec::Vec;

use super::namespace::Namespace;
use super::pattern::Pattern;

/// The patterns of one namespace; those of `cost.budget` are amount strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) namespace: Namespace,
    pub(super) patterns: Vec<Pattern>,
}

impl Grant {
    /// Returns an upper estimate of the memory this holds, itself included, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        let texts: usize = self.patterns.iter().map(|pattern| pattern.as_str().len()).sum();
        let patterns = self.patterns.capacity() * size_of::<Pattern>();
        size_of::<Grant>() + self.namespace.as_str().len() + patterns + texts
    }
}
