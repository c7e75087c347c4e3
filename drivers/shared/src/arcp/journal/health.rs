//! How a journal does: how long commits take, and since when they fail.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use nuncio_core::histogram::Histogram;

use super::{JournalError, JournalRoom};
use crate::io::clock::monotonic;
use crate::io::sync::lock;

/// A commit that takes longer counts as failing until it is done.
const LONGEST: Duration = Duration::from_secs(5);

/// The bounds of the times of commits: from a tenth of a millisecond to the time after which one counts as failing.
const BOUNDS: [Duration; Histogram::BOUNDS] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    LONGEST,
];

/// How the journal of a server does. From [`Server::journal_health`](crate::arcp::Server::journal_health).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalHealth {
    /// The bytes that it takes, if it knows.
    pub bytes: Option<u64>,
    /// How far it may grow, as it was a few seconds ago.
    pub room: JournalRoom,
    /// How long the commits have taken that have succeeded.
    pub commits: Histogram,
    /// The time that the last one has taken.
    pub last_commit: Duration,
    /// How long the last one is ago; `None` before the first one.
    pub committed: Option<Duration>,
    /// Since when it cannot be written, and `None` while it can. New work is refused in the meantime.
    pub failing_for: Option<Duration>,
    /// Why it cannot be written, as a sentence for people.
    pub error: Option<String>,
}

impl JournalHealth {
    /// Returns how two journals of a server do, taken together: their bytes and commits added, the longer of their times, and the
    /// failure of the one that fails the longest.
    pub(crate) fn and(mut self, other: &JournalHealth) -> JournalHealth {
        let longest = if other.failing_for > self.failing_for { other } else { &self };
        let (failing_for, error) = (longest.failing_for, longest.error.clone());
        // The time since a commit is shorter for the later one.
        let committed = self.committed.into_iter().chain(other.committed).min();
        self.commits += other.commits;
        JournalHealth {
            bytes: self.bytes.zip(other.bytes).map(|(ours, theirs)| ours + theirs),
            commits: self.commits,
            last_commit: self.last_commit.max(other.last_commit),
            room: self.room.and(other.room),
            committed,
            failing_for,
            error,
        }
    }
}

/// What the thread of a journal and its server tell each other about it.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// When the commit under way began.
    began: Option<Instant>,
    failing: Option<(Instant, String)>,
    bytes: Option<u64>,
    room: JournalRoom,
    commits: Histogram,
    last: Duration,
    committed: Option<Instant>,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            began: None,
            failing: None,
            bytes: None,
            room: JournalRoom::default(),
            commits: Histogram::new(&BOUNDS),
            last: Duration::ZERO,
            committed: None,
        }
    }
}

impl Health {
    /// Notes that a commit begins.
    pub(super) fn begin(&self) {
        lock(&self.0).began = Some(monotonic());
    }

    /// Notes that the commit has succeeded. Returns whether the journal was failing until then.
    pub(super) fn succeed(&self, bytes: Option<u64>) -> bool {
        let mut inner = lock(&self.0);
        let took = inner.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        inner.last = took;
        inner.committed = Some(monotonic());
        inner.commits.observe(took);
        inner.bytes = bytes;
        inner.failing.take().is_some()
    }

    /// Notes that the commit has failed. Returns whether the journal was not failing before.
    pub(super) fn fail(&self, error: &JournalError) -> bool {
        let mut inner = lock(&self.0);
        inner.began = None;
        match &mut inner.failing {
            Some((_, why)) => {
                *why = error.to_string();
                false
            }
            None => {
                inner.failing = Some((monotonic(), error.to_string()));
                true
            }
        }
    }

    pub(super) fn measure(&self, bytes: Option<u64>, room: JournalRoom) {
        let mut inner = lock(&self.0);
        (inner.bytes, inner.room) = (bytes, room);
    }

    /// Returns whether the journal has begun to fail because the commit under way takes too long.
    pub(crate) fn hangs(&self) -> bool {
        let mut inner = lock(&self.0);
        let hangs = inner.began.is_some_and(|began| began.elapsed() >= LONGEST) && inner.failing.is_none();
        if let Some(began) = inner.began.filter(|_| hangs) {
            inner.failing = Some((began, format!("a commit takes longer than {} s", LONGEST.as_secs())));
        }
        hangs
    }

    pub(crate) fn view(&self) -> JournalHealth {
        let inner = lock(&self.0);
        JournalHealth {
            bytes: inner.bytes,
            room: inner.room,
            commits: inner.commits,
            last_commit: inner.last,
            committed: inner.committed.map(|at| at.elapsed()),
            failing_for: inner.failing.as_ref().map(|(since, _)| since.elapsed()),
            error: inner.failing.as_ref().map(|(_, why)| why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_fails_from_the_first_failed_commit_to_the_next_that_succeeds() {
        let health = Health::default();
        let view = health.view();
        assert_eq!((view.bytes, view.commits.count(), view.failing_for, view.error), (None, 0, None, None));
        assert_eq!((view.room, view.committed), (JournalRoom::default(), None));
        health.begin();
        assert!(health.fail(&JournalError::Full), "it begins to fail");
        assert!(!health.fail(&JournalError::Busy), "it fails on");
        let view = health.view();
        assert!(view.failing_for.is_some());
        assert_eq!(view.error.as_deref(), Some("another process is using the file of the journal"));
        assert!(!health.hangs(), "no commit is under way");
        health.begin();
        assert!(health.succeed(Some(7)), "it was failing");
        let view = health.view();
        assert_eq!((view.failing_for, view.error, view.bytes, view.commits.count()), (None, None, Some(7), 1));
        assert!(!health.succeed(Some(8)));
        assert!(health.view().committed.is_some());
        assert!(BOUNDS.is_sorted_by(|before, after| before < after));
    }

    #[test]
    fn a_journal_fails_while_a_commit_takes_too_long() {
        let health = Health::default();
        health.begin();
        lock(&health.0).began = monotonic().checked_add(LONGEST);
        assert!(!health.hangs(), "it has just begun");
        assert_eq!(health.view().failing_for, None);
        lock(&health.0).began = monotonic().checked_sub(LONGEST);
        assert!(health.hangs(), "it begins to fail");
        assert!(!health.hangs(), "it fails on");
        let view = health.view();
        assert!(view.failing_for.is_some_and(|since| since >= LONGEST));
        assert_eq!(view.error.as_deref(), Some("a commit takes longer than 5 s"));
        let room = JournalRoom { max_bytes: Some(10), free_bytes: Some(11) };
        health.measure(Some(9), room);
        assert_eq!((health.view().bytes, health.view().room), (Some(9), room));
        assert!(health.succeed(None), "it was failing");
        let view = health.view();
        assert!(view.last_commit >= LONGEST && view.commits.sum() >= LONGEST, "{view:?}");
        assert_eq!((view.failing_for, view.error, view.commits.count()), (None, None, 1));
    }
}
