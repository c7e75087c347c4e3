//! Choices that are read from the bytes of a seed or of a fuzzer.

use arbitrary::Unstructured;

/// A source of choices. Once the bytes are used up, it always returns the first choice.
pub(crate) struct Draw<'a, 'b>(pub(crate) &'a mut Unstructured<'b>);

impl Draw<'_, '_> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a number in `0..n`, or 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n <= 1 { 0 } else { self.0.int_in_range(0..=n - 1).unwrap_or(0) }
    }

    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0.int_in_range(from..=to).unwrap_or(from)
    }

    /// Returns true in `percent` of 100 cases, but never once the bytes are used up.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        percent > 0 && !self.is_over() && self.below(100) < percent
    }

    pub(crate) fn pick<'x, T>(&mut self, of: &'x [T]) -> Option<&'x T> {
        of.get(self.below(of.len()))
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Returns an index, with a probability proportional to its weight.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut at = self.below(weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            if at < *weight {
                return place;
            }
            at -= weight;
        }
        0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let len = len.min(self.0.len());
        self.0.bytes(len).map(<[u8]>::to_vec).unwrap_or_default()
    }
}
