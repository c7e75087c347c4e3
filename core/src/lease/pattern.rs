//! One pattern, and whether it matches. The pattern language is described in the documentation of the parent module.

use alloc::boxed::Box;
use alloc::string::String;

use serde::Serialize;

use super::canonical::{self, CanonicalError};
use super::namespace::Namespace;
use super::work::{Exhausted, Work};

/// The longest pattern, as given and in its canonical form, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// The bytes of a literal prefix that are compared in one step.
const PREFIX_STEP: usize = 256;

/// A pattern of a lease in canonical form, or an amount string of its `cost.budget`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pattern {
    text: Box<str>,
    /// The length of the text that every target begins with.
    #[serde(skip)]
    prefix: u16,
}

impl Pattern {
    pub(super) fn parse(namespace: &Namespace, text: &str) -> Result<Pattern, CanonicalError> {
        let too_long = CanonicalError::TooLong { max: MAX_PATTERN_BYTES };
        if text.len() > MAX_PATTERN_BYTES {
            return Err(too_long);
        }
        let canonical = canonical::pattern(namespace, text)?;
        if canonical.len() > MAX_PATTERN_BYTES {
            return Err(too_long);
        }
        Ok(Pattern::canonical(canonical))
    }

    fn canonical(text: String) -> Pattern {
        let prefix = literal_prefix(&text);
        Pattern { text: text.into(), prefix: u16::try_from(prefix).unwrap_or(0) }
    }

    /// Wraps an entry of `cost.budget` that was read as an amount.
    pub(super) fn amount(text: String) -> Pattern {
        Pattern::canonical(text)
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what every target begins with.
    pub(super) fn prefix(&self) -> &[u8] {
        self.text.as_bytes().get(..usize::from(self.prefix)).unwrap_or_default()
    }

    /// Returns whether this matches a canonical target.
    ///
    /// After a `**` the leftmost match of what follows is as good as any later one, since the next `**` can take up
    /// whatever comes in between. So only the last `**` has to be tried again, and the number of steps is at most the
    /// product of the lengths.
    pub(super) fn matches(&self, target: &str, work: &mut Work<'_>) -> Result<bool, Exhausted> {
        let prefix = self.prefix();
        work.spend(1 + prefix.len() / PREFIX_STEP)?;
        // Most patterns of a lease are about something else, which this finds out without a look at the segments. The last
        // byte of the prefix differs more often than the first.
        let place = prefix.len().saturating_sub(1);
        let is_same = target.as_bytes().get(place) == prefix.last() || prefix.is_empty();
        if !is_same || !target.as_bytes().starts_with(prefix) {
            return Ok(false);
        }
        let mut pattern = self.text.split('/');
        let mut target = target.split('/');
        // The rest of the pattern after the last `**`, and the target from where that rest was last tried.
        let mut retry = None;
        loop {
            let matched = match pattern.next() {
                Some("**") => {
                    if pattern.clone().next().is_none() {
                        return Ok(true);
                    }
                    retry = Some((pattern.clone(), target.clone()));
                    true
                }
                Some(glob) => match target.next() {
                    Some(segment) => {
                        work.spend(2 + cost(glob, segment))?;
                        segment_matches(glob, segment)
                    }
                    // The target is too short, and would be shorter still from any later start.
                    None => return Ok(false),
                },
                None if target.next().is_none() => return Ok(true),
                None => false,
            };
            if matched {
                continue;
            }
            // Try again with one more segment for the last `**`.
            let Some((after, start)) = &mut retry else {
                return Ok(false);
            };
            if start.next().is_none() {
                return Ok(false);
            }
            pattern = after.clone();
            target = start.clone();
        }
    }
}

/// Returns the length of what every target of a pattern begins with: the text before its first `*`, and before the `/` of a
/// `**`, which also stands for no segment at all.
fn literal_prefix(pattern: &str) -> usize {
    let Some((literal, _)) = pattern.split_once('*') else {
        return pattern.len();
    };
    let start = literal.rfind('/').map_or(0, |slash| slash + 1);
    let segment = pattern.get(start..).unwrap_or_default();
    let is_any_depth = segment.split('/').next() == Some("**");
    if is_any_depth { start.saturating_sub(1) } else { literal.len() }
}

/// Returns the steps of [`segment_matches`]. Runs between two `*` are searched for, which takes longer than to compare.
pub(super) fn cost(glob: &str, segment: &str) -> usize {
    let is_searched = glob.matches('*').nth(1).is_some();
    glob.len().saturating_add(segment.len()) / if is_searched { 4 } else { 16 }
}

/// Returns whether a segment of a pattern, other than `**`, matches a segment of a target. Takes linear time: every
/// literal run is searched for once, leftmost.
pub(super) fn segment_matches(glob: &str, segment: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == segment;
    };
    let Some((middle, tail)) = rest.rsplit_once('*') else {
        return segment.strip_prefix(head).is_some_and(|after| after.ends_with(rest));
    };
    let between = segment.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
    let Some(mut between) = between else {
        return false;
    };
    for run in middle.split('*') {
        match between.split_once(run) {
            Some((_, after)) => between = after,
            None => return false,
        }
    }
    true
}
