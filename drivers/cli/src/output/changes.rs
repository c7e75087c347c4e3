//! Changes of the connection, for commands that print no job.

use std::pin::pin;

use nuncio_tokio::arcp::{Client, SessionEvent, SessionEvents};
use tokio::time::Instant;

use super::human;
use super::waiting::Waiting;
use crate::text::eprint_line;

/// Says on stderr when the connection is lost, and when it is back.
pub(crate) struct Changes {
    session: SessionEvents,
    waiting: Waiting,
}

impl Changes {
    pub(crate) fn of(client: &Client) -> Changes {
        Changes { session: client.session_events(), waiting: Waiting::default() }
    }

    /// Does some work, and says meanwhile what happens to the connection. `before` is called before each line.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>, mut before: impl FnMut()) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(event) = self.session.next() => self.say(&event, &mut before),
                done = &mut work => {
                    // What has happened while the work was being done comes before what is printed of it.
                    while let Some(event) = reported(&mut self.session).await {
                        self.say(&event, &mut before);
                    }
                    return done;
                }
            }
        }
    }

    fn say(&mut self, event: &SessionEvent, before: &mut impl FnMut()) {
        if let Some(line) = human::session(event)
            && self.waiting.reports(event, Instant::now())
        {
            before();
            eprint_line(&line);
        }
    }
}

/// Returns the next event of a session if it is there already.
pub(crate) async fn reported(session: &mut SessionEvents) -> Option<SessionEvent> {
    tokio::select! {
        biased;
        event = session.next() => event,
        () = std::future::ready(()) => None,
    }
}
