//! Decides whether everything that a child's pattern matches is matched by some pattern of its parent (§9.4).
//!
//! The decision is exact, because a pattern can itself be used as the hardest target that it matches. Replace every
//! `**` of the child's pattern by some number of segments `*`, and read the result as a target. The child's pattern
//! matches this target. In a parent's pattern, `*` is always a wildcard. So a parent's pattern that matches the target
//! matches each of its `*` with a wildcard, and that wildcard also matches any text in place of the `*`. Hence the
//! parent covers the child's pattern if and only if each of these targets is matched by some pattern of the parent.
//! Without a `**` there is exactly one such target.
//!
//! With a `**` there are infinitely many. The search walks through the child's segments and keeps the set of all places
//! that the parent's patterns can have reached on the same text. At a `**` it branches: either the `**` ends, or it
//! takes up one more `*`. A branch is dropped at a place of the child that was visited before with a set that accepted
//! no more than the present one. The number of sets can be exponential in the number of `**`, which is why the work is
//! bounded.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::index::Index;
use super::namespace::Namespace;
use super::pattern::{Pattern, cost, segment_matches};
use super::work::{Exhausted, Work};

/// Why a lease does not include another. Both cases mean `LEASE_SUBSET_VIOLATION`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubsetError {
    /// The child's pattern matches something that no pattern of the parent matches.
    #[error("the parent's lease does not cover the pattern {pattern:?} of {namespace}", pattern = .pattern.as_str())]
    Violation {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
    /// The allowed work was used up before an answer was found.
    #[error("it takes too long to decide whether the parent's lease covers the pattern {pattern:?} of {namespace}",
        pattern = .pattern.as_str())]
    TooComplex {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
}

/// Checks that each of `children` is included in the union of `parents`.
pub(super) fn check(
    namespace: &Namespace,
    parents: &[Pattern],
    children: &[Pattern],
    work: &mut u64,
) -> Result<(), SubsetError> {
    let Some(first) = children.first() else { return Ok(()) };
    let mut work = Work::new(work);
    let too_complex =
        |child: &Pattern| SubsetError::TooComplex { namespace: namespace.clone(), pattern: child.clone() };
    let index = Index::of(parents, &mut work).map_err(|Exhausted| too_complex(first))?;
    for child in children {
        if !is_included(&index, child, &mut work).map_err(|Exhausted| too_complex(child))? {
            return Err(SubsetError::Violation { namespace: namespace.clone(), pattern: child.clone() });
        }
    }
    Ok(())
}

fn is_included(index: &Index<'_>, child: &Pattern, work: &mut Work<'_>) -> Result<bool, Exhausted> {
    if index.contains(child, work)? {
        return Ok(true);
    }
    // The other patterns match nothing that the child matches.
    let near = index.overlapping(child, work)?;
    Union::of(&near, work)?.includes(child, work)
}

/// What a pattern accepts next at one of its places.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// One segment that matches this glob.
    Glob(&'a str),
    /// Any number of segments, written `**`.
    Deep,
    /// Nothing: the text must end here.
    End,
}

/// Splits a pattern into its parts. A run of `**` means the same as one.
fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    let mut segments = pattern.split('/').peekable();
    let parts = core::iter::from_fn(move || match segments.next()? {
        "**" => {
            while segments.next_if_eq(&"**").is_some() {}
            Some(Part::Deep)
        }
        glob => Some(Part::Glob(glob)),
    });
    parts.chain([Part::End])
}

/// Several patterns, one after the other. A place is an index into `parts`; a set of places is sorted.
struct Union<'a> {
    parts: Vec<Part<'a>>,
    /// For each place, the first place of its pattern.
    starts: Vec<usize>,
}

impl<'a> Union<'a> {
    fn of(patterns: &[&'a Pattern], work: &mut Work<'_>) -> Result<Union<'a>, Exhausted> {
        let mut union = Union { parts: Vec::new(), starts: Vec::new() };
        // No segment at all and one empty segment are not valid targets, so they count as covered.
        union.add([Part::End]);
        union.add([Part::Glob(""), Part::End]);
        for pattern in patterns {
            let before = union.parts.len();
            union.add(parts(pattern.as_str()));
            work.spend(union.parts.len() - before + pattern.as_str().len() / 64)?;
        }
        Ok(union)
    }

    fn add(&mut self, parts: impl IntoIterator<Item = Part<'a>>) {
        let start = self.parts.len();
        self.parts.extend(parts);
        self.starts.resize(self.parts.len(), start);
    }

    /// Returns whether every target that `child` matches is matched by one of the patterns.
    fn includes(&self, child: &Pattern, work: &mut Work<'_>) -> Result<bool, Exhausted> {
        let child: Vec<Part<'_>> = parts(child.as_str()).collect();
        // For each place of the child, the sets that it was visited with.
        let mut visited: Vec<Vec<Box<[usize]>>> = vec![Vec::new(); child.len()];
        let mut open = vec![(0, self.start(work)?)];
        while let Some((place, set)) = open.pop() {
            if self.accepts_everything(&set) {
                continue;
            }
            match child.get(place) {
                Some(Part::Glob(segment)) => open.push((place.saturating_add(1), self.step(&set, segment, work)?)),
                Some(Part::Deep) => {
                    let Some(visited) = visited.get_mut(place) else { continue };
                    if self.any_accepts_no_more(visited, &set, work)? {
                        continue;
                    }
                    visited.push(set.as_slice().into());
                    open.push((place, self.step(&set, "*", work)?));
                    open.push((place.saturating_add(1), set));
                }
                Some(Part::End) | None => {
                    if !set.iter().any(|other| matches!(self.part(*other), Part::End)) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Returns the places before the first segment.
    fn start(&self, work: &mut Work<'_>) -> Result<Vec<usize>, Exhausted> {
        let mut set = Vec::new();
        let starts = self.starts.iter().enumerate().filter(|(place, start)| place == *start);
        for (place, _) in starts {
            self.enter(place, &mut set);
        }
        work.spend(set.len() + self.parts.len() / 8)?;
        Ok(set)
    }

    /// Returns the places after one more segment.
    fn step(&self, set: &[usize], segment: &str, work: &mut Work<'_>) -> Result<Vec<usize>, Exhausted> {
        let mut after = Vec::new();
        for place in set {
            match self.part(*place) {
                Part::Glob(glob) => {
                    work.spend(cost(glob, segment))?;
                    if segment_matches(glob, segment) {
                        self.enter(place.saturating_add(1), &mut after);
                    }
                }
                Part::Deep => self.enter(*place, &mut after),
                Part::End => {}
            }
        }
        work.spend(set.len().saturating_add(after.len()).saturating_add(1))?;
        self.prune(&mut after);
        Ok(after)
    }

    /// Adds a place, and the next one if a `**` reaches it without a segment.
    fn enter(&self, place: usize, set: &mut Vec<usize>) {
        set.push(place);
        if matches!(self.part(place), Part::Deep) {
            set.push(place.saturating_add(1));
        }
    }

    /// Sorts a set and removes the places before a `**` of the same pattern, which accepts everything they accept.
    fn prune(&self, set: &mut Vec<usize>) {
        set.sort_unstable_by(|left, right| right.cmp(left));
        set.dedup();
        let mut superseded_from = usize::MAX;
        set.retain(|place| {
            let kept = *place < superseded_from;
            if kept && matches!(self.part(*place), Part::Deep) {
                superseded_from = self.pattern_start(*place);
            }
            kept
        });
        set.reverse();
    }

    /// Returns whether one of the `visited` sets accepts at most what `set` accepts, judged place by place: each of its
    /// places is in `set`, or is superseded by a `**` in it.
    fn any_accepts_no_more(
        &self,
        visited: &[Box<[usize]>],
        set: &[usize],
        work: &mut Work<'_>,
    ) -> Result<bool, Exhausted> {
        for earlier in visited {
            work.spend(earlier.len().saturating_add(set.len()).saturating_add(1))?;
            let mut others = set.iter().copied().peekable();
            let accepts_no_more = earlier.iter().all(|place| {
                while others.next_if(|other| other < place).is_some() {}
                // Places between this one and a `**` that supersedes it are superseded too, and were removed.
                others.peek().is_some_and(|other| {
                    let supersedes = matches!(self.part(*other), Part::Deep) && self.pattern_start(*other) <= *place;
                    other == place || supersedes
                })
            });
            if accepts_no_more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether one of the places is a final `**`.
    fn accepts_everything(&self, set: &[usize]) -> bool {
        set.iter().any(|place| {
            let next = self.part(place.saturating_add(1));
            matches!((self.part(*place), next), (Part::Deep, Part::End))
        })
    }

    fn part(&self, place: usize) -> Part<'a> {
        self.parts.get(place).copied().unwrap_or(Part::End)
    }

    fn pattern_start(&self, place: usize) -> usize {
        self.starts.get(place).copied().unwrap_or(place)
    }
}
