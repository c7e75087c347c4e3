//! The connections that a port has at the same time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::sync::CancellationToken;

/// The places of a port for connections, of which there are only so many at the same time: a further connection ends the oldest
/// one. So a peer that opens connections and sends nothing does not keep others out.
///
/// ```
/// use nuncio_shared::io::Places;
///
/// let mut places = Places::new(2);
/// let (first, second) = (places.admit(), places.admit());
/// assert!(!first.is_ended());
/// let third = places.admit();
/// assert!(first.is_ended() && !second.is_ended() && !third.is_ended());
/// drop(second); // It has ended and leaves its place to another one.
/// let fourth = places.admit();
/// assert!(!third.is_ended() && !fourth.is_ended());
/// ```
#[derive(Debug)]
pub struct Places {
    max: usize,
    /// The oldest first.
    taken: VecDeque<Weak<Place>>,
}

impl Places {
    /// Returns places for this many connections, at least one.
    pub fn new(max: usize) -> Places {
        Places { max: max.max(1), taken: VecDeque::new() }
    }

    /// Returns how many places there are.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Returns a place for another connection. If all are taken, the oldest connection that is not [busy](Place::set_busy) has
    /// to end; if all are busy, none has to. A place is taken until it is dropped, or its connection has to end.
    pub fn admit(&mut self) -> Arc<Place> {
        self.forget_ended();
        while self.taken.len() >= self.max && self.displace() {}
        let place = Arc::new(Place::default());
        self.taken.push_back(Arc::downgrade(&place));
        place
    }

    /// Ends the oldest connection that is not busy. Returns whether there was one.
    pub fn displace(&mut self) -> bool {
        self.forget_ended();
        let may_end = |place: &Weak<Place>| place.upgrade().is_some_and(|place| !place.is_busy());
        let oldest = self.taken.iter().position(may_end).and_then(|at| self.taken.remove(at));
        if let Some(place) = oldest.as_ref().and_then(Weak::upgrade) {
            place.end.cancel();
        }
        oldest.is_some()
    }

    fn forget_ended(&mut self) {
        self.taken.retain(|place| place.strong_count() > 0);
    }

    /// Ends all connections.
    pub fn end_all(&self) {
        for place in self.taken.iter().filter_map(Weak::upgrade) {
            place.end.cancel();
        }
    }
}

/// The place of a connection. From [`Places::admit`].
#[derive(Debug, Default)]
pub struct Place {
    end: CancellationToken,
    is_busy: AtomicBool,
}

impl Place {
    /// Waits until the connection has to end.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Returns whether the connection has to end.
    pub fn is_ended(&self) -> bool {
        self.end.is_cancelled()
    }

    /// Says whether a request is under way on the connection. Meanwhile, no other connection displaces it.
    pub fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Returns whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_connection_ends_the_oldest_that_is_not_busy() {
        let mut places = Places::new(3);
        let open: Vec<_> = (0..3).map(|_| places.admit()).collect();
        open[0].set_busy(true);
        let fourth = places.admit();
        assert_eq!([&open[0], &open[1], &open[2], &fourth].map(|place| place.is_ended()), [false, true, false, false]);
        open[0].set_busy(false);
        let _fifth = places.admit();
        assert!(open[0].is_ended() && !open[2].is_ended());
    }

    #[test]
    fn no_connection_ends_while_all_are_busy() {
        let mut places = Places::new(1);
        let busy = places.admit();
        busy.set_busy(true);
        assert!(!places.displace());
        let other = places.admit();
        assert!(!busy.is_ended() && !other.is_ended());
        places.end_all();
        assert!(busy.is_ended() && other.is_ended());
    }

    #[test]
    fn a_connection_that_has_ended_leaves_its_place() {
        let mut places = Places::new(1);
        drop(places.admit());
        let open = places.admit();
        assert!(!open.is_ended());
        assert_eq!(Places::new(0).max(), 1);
    }
}
