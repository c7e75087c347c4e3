//! Whether everything one pattern matches is matched by one of many (§9.4), decided exactly.
//!
//! A pattern is its own hardest target. Read as a text, with each `**` replaced by any number of segments `*`, it is
//! matched by itself, and no pattern has a literal `*`: whoever matches that text takes every `*` of it by a wildcard,
//! and so matches whatever else could stand in its place. Hence the parents cover a child's pattern if and only if each
//! of these texts is matched by some parent; without a `**` there is one such text.
//!
//! With `**` there are infinitely many. We walk the child's segments and, beside them, the set of all places the
//! parents' patterns can be at after the same text. A `**` branches: it is over, or takes up one more `*`. A branch
//! ends where it met the same child place before beside a set that accepts no more. The number of sets can be
//! exponential in the number of `**`, hence the bound on the work.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::pattern::segment_matches;
use super::{Namespace, Pattern};

/// Why a lease is not within another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubsetError {
    /// The child's pattern matches something that no pattern of the parent does.
    #[error("the parent's lease does not cover the pattern {pattern:?} of {namespace}", pattern = .pattern.as_str())]
    Violation {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
    /// The work that was allowed is used up and the answer is not found, so it is no.
    #[error("whether the parent's lease covers the pattern {pattern:?} of {namespace} takes too long to find out",
        pattern = .pattern.as_str())]
    TooComplex {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
}

/// Whether each of `children` is within the union of `parents`.
pub(super) fn check(
    namespace: &Namespace,
    parents: &[Pattern],
    children: &[Pattern],
    work: &mut u64,
) -> Result<(), SubsetError> {
    let mut work = Work(work);
    let mut union = None;
    for child in children {
        let too_complex = |Exhausted| SubsetError::TooComplex { namespace: namespace.clone(), pattern: child.clone() };
        work.spend(parents.len()).map_err(too_complex)?;
        if parents.contains(child) {
            continue;
        }
        let union = match &mut union {
            Some(union) => union,
            none => none.insert(Union::of(parents, &mut work).map_err(too_complex)?),
        };
        if !union.includes(child, &mut work).map_err(too_complex)? {
            return Err(SubsetError::Violation { namespace: namespace.clone(), pattern: child.clone() });
        }
    }
    Ok(())
}

/// The elementary steps that are left.
struct Work<'a>(&'a mut u64);

/// No steps are left.
struct Exhausted;

impl Work<'_> {
    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = self.0.checked_sub(steps as u64);
        *self.0 = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }
}

/// A place in a pattern, between two segments: what may come next.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// One segment that this matches.
    Glob(&'a str),
    /// Any number of segments.
    Deep,
    /// Nothing.
    End,
}

/// The parts of a pattern. A run of `**` means the same as one.
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

/// Patterns, one after the other. A place is an index into `parts`; a set of places is sorted.
struct Union<'a> {
    parts: Vec<Part<'a>>,
    /// By place: where its pattern starts.
    starts: Vec<usize>,
}

impl<'a> Union<'a> {
    fn of(patterns: &'a [Pattern], work: &mut Work<'_>) -> Result<Union<'a>, Exhausted> {
        let mut union = Union { parts: Vec::new(), starts: Vec::new() };
        // No segment at all, and the one empty segment, are no targets: whatever a child says of them is covered.
        union.add([Part::End]);
        union.add([Part::Glob(""), Part::End]);
        for pattern in patterns {
            work.spend(pattern.as_str().len())?;
            union.add(parts(pattern.as_str()));
        }
        Ok(union)
    }

    fn add(&mut self, parts: impl IntoIterator<Item = Part<'a>>) {
        let start = self.parts.len();
        self.parts.extend(parts);
        self.starts.resize(self.parts.len(), start);
    }

    /// Whether every target `child` matches is matched by one of the patterns.
    fn includes(&self, child: &Pattern, work: &mut Work<'_>) -> Result<bool, Exhausted> {
        let child: Vec<Part<'_>> = parts(child.as_str()).collect();
        // By the child's place: the sets it was met beside.
        let mut met: Vec<Vec<Box<[usize]>>> = vec![Vec::new(); child.len()];
        let mut open = vec![(0, self.start(work)?)];
        while let Some((place, set)) = open.pop() {
            if self.accepts_everything(&set) {
                continue;
            }
            match child.get(place) {
                Some(Part::Glob(segment)) => open.push((place.saturating_add(1), self.step(&set, segment, work)?)),
                Some(Part::Deep) => {
                    let Some(met) = met.get_mut(place) else { continue };
                    if self.any_accepts_no_more(met, &set, work)? {
                        continue;
                    }
                    met.push(set.as_slice().into());
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

    fn start(&self, work: &mut Work<'_>) -> Result<Vec<usize>, Exhausted> {
        let mut set = Vec::new();
        let starts = self.starts.iter().enumerate().filter(|(place, start)| place == *start);
        for (place, _) in starts {
            self.enter(place, &mut set);
        }
        work.spend(self.parts.len())?;
        Ok(set)
    }

    /// The places after one more segment.
    fn step(&self, set: &[usize], segment: &str, work: &mut Work<'_>) -> Result<Vec<usize>, Exhausted> {
        let mut after = Vec::new();
        for place in set {
            match self.part(*place) {
                Part::Glob(glob) => {
                    work.spend(glob.len().saturating_add(segment.len()) / 16)?;
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

    /// Adds a place, and the one after it if that is reached without a segment.
    fn enter(&self, place: usize, set: &mut Vec<usize>) {
        set.push(place);
        if matches!(self.part(place), Part::Deep) {
            set.push(place.saturating_add(1));
        }
    }

    /// Sorts a set and takes out the places before a `**` of the same pattern: what they accept, it accepts.
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

    /// Whether one of the sets in `met` accepts at most what `set` accepts, as far as can be told place by place: each
    /// of its places is in `set`, or superseded there.
    fn any_accepts_no_more(&self, met: &[Box<[usize]>], set: &[usize], work: &mut Work<'_>) -> Result<bool, Exhausted> {
        for earlier in met {
            work.spend(earlier.len().saturating_add(set.len()).saturating_add(1))?;
            let mut others = set.iter().copied().peekable();
            let accepts_no_more = earlier.iter().all(|place| {
                while others.next_if(|other| other < place).is_some() {}
                // What lies between a place and a `**` that supersedes it is superseded too, and was taken out.
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

    /// Whether a pattern has only a `**` left.
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
