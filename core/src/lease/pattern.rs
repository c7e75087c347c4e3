//! One pattern, and whether it matches. The language is described in the module above.

use alloc::boxed::Box;
use alloc::string::String;

use serde::Serialize;

use super::canonical::{self, CanonicalError};
use super::{MAX_PATTERN_BYTES, Namespace};

/// The steps that one authorisation may take: about one for every byte that is compared.
pub(super) const MATCH_WORK: u64 = 4_000_000;

/// A pattern of a lease in canonical form, or an amount string of its `cost.budget`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pattern(Box<str>);

impl Pattern {
    pub(super) fn parse(namespace: &Namespace, text: &str) -> Result<Pattern, CanonicalError> {
        let within_bound = |text: &str| text.len() <= MAX_PATTERN_BYTES;
        let canonical = Some(text).filter(|text| within_bound(text)).map(|text| canonical::pattern(namespace, text));
        match canonical.transpose()?.filter(|text| within_bound(text)) {
            Some(canonical) => Ok(Pattern(canonical.into())),
            None => Err(CanonicalError::TooLong { max: MAX_PATTERN_BYTES }),
        }
    }

    /// An entry of `cost.budget`, which was read as an amount.
    pub(super) fn amount(text: String) -> Pattern {
        Pattern(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this matches a canonical target. `work` is reduced by the steps taken; with none left nothing matches.
    ///
    /// The leftmost match of what follows a `**` is as good as any other, since the next `**` takes up whatever comes
    /// after it. So there is one place to go back to, and the steps are at most the product of the lengths.
    pub(super) fn matches(&self, target: &str, work: &mut u64) -> bool {
        let mut pattern = self.0.split('/');
        let mut target = target.split('/');
        // After the last `**`: the pattern that follows it, and the target from where that is tried.
        let mut retry = None;
        loop {
            let matched = match pattern.next() {
                Some("**") => {
                    if pattern.clone().next().is_none() {
                        return true;
                    }
                    retry = Some((pattern.clone(), target.clone()));
                    true
                }
                Some(glob) => match target.next() {
                    Some(segment) => {
                        let steps = cost(glob, segment);
                        let Some(left) = work.checked_sub(steps) else {
                            *work = 0;
                            return false;
                        };
                        *work = left;
                        segment_matches(glob, segment)
                    }
                    // The target is too short, and shorter still from any later start.
                    None => return false,
                },
                None if target.next().is_none() => return true,
                None => false,
            };
            if matched {
                continue;
            }
            // A segment more for the last `**`.
            let Some((after, start)) = &mut retry else {
                return false;
            };
            if start.next().is_none() {
                return false;
            }
            pattern = after.clone();
            target = start.clone();
        }
    }
}

/// The steps [`segment_matches`] takes at most: only a run between two `*` is searched for in the whole segment.
fn cost(glob: &str, segment: &str) -> u64 {
    let searched = if glob.matches('*').nth(1).is_some() { segment.len() } else { 0 };
    glob.len().saturating_add(searched).saturating_add(1) as u64
}

/// Whether a pattern's segment matches a target's. Linear: every literal run is searched once, leftmost.
pub(super) fn segment_matches(glob: &str, segment: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == segment;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
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
