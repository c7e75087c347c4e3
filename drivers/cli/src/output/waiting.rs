//! Which attempts to reconnect are worth a line.

use std::time::Duration;

use nuncio_tokio::arcp::SessionEvent;
use tokio::time::Instant;

/// How long after the loss of a connection the first attempt is reported.
const FIRST: Duration = Duration::from_secs(10);
/// How long after that, and after each further report, the next one follows.
const NEXT: Duration = Duration::from_secs(10);

/// When the next attempt to reconnect is reported. Attempts before are not: a line said that the connection was lost.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<Instant>);

impl Waiting {
    /// Returns whether an event of the session is reported.
    pub(super) fn reports(&mut self, event: &SessionEvent, now: Instant) -> bool {
        match event {
            SessionEvent::Lost(_) => self.0 = Some(now + FIRST),
            SessionEvent::Reconnecting { .. } => {
                let due = *self.0.get_or_insert(now + FIRST);
                if now < due {
                    return false;
                }
                self.0 = Some(now + NEXT);
            }
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_seconds_attempts_are_reported_often_enough_to_show_that_it_goes_on() {
        let start = Instant::now();
        let attempt = |number| SessionEvent::Reconnecting { attempt: number, after: Duration::from_secs(7) };
        let mut waiting = Waiting::default();
        let mut reported = |secs| waiting.reports(&attempt(1), start + Duration::from_secs(secs));
        let seconds: Vec<u64> = (0..61).step_by(7).filter(|secs| reported(*secs)).collect();
        assert_eq!(seconds, [14, 28, 42, 56]);
    }
}
