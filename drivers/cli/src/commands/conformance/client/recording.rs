//! What a client and the runtime that plays for it have said, in the order in which it happened.

use serde_json::Value;

use crate::commands::conformance::frame::{kind, seq, text};
use crate::commands::conformance::transcript::{Direction, Transcript};

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moment {
    /// The client has connected.
    Opened,
    /// A frame came from the client.
    Received(Value),
    /// A message came that is no JSON object.
    Garbage,
    /// A frame was sent to the client.
    Sent(Value),
    /// The runtime has sent no pings for some time; whether the client has sent something by itself.
    Quiet { has_spoken: bool },
    /// The runtime has broken the connection, as a failing network does.
    Cut,
    /// The client, or the network, has ended the connection.
    Ended,
}

/// All moments, each with the number of its connection, from 1.
#[derive(Debug, Default)]
pub(super) struct Recording {
    moments: Vec<(usize, Moment)>,
    connection: usize,
}

impl Recording {
    pub(super) fn open(&mut self) {
        self.connection += 1;
        self.add(Moment::Opened);
    }

    /// Adds a moment of the newest connection.
    pub(super) fn add(&mut self, moment: Moment) {
        self.moments.push((self.connection, moment));
    }

    pub(super) fn moments(&self) -> impl DoubleEndedIterator<Item = &Moment> + Clone {
        self.moments.iter().map(|(_, moment)| moment)
    }

    /// Adds the frames to a transcript whose types begin with one of these texts, and the ends of connections.
    pub(super) fn show(&self, about: &[&str], transcript: &mut Transcript) {
        for (connection, moment) in &self.moments {
            let is_shown = |frame: &Value| about.iter().any(|start| kind(frame).starts_with(start));
            match moment {
                Moment::Sent(frame) if is_shown(frame) => {
                    transcript.add(*connection, Direction::Sent, &frame.to_string());
                }
                Moment::Received(frame) if is_shown(frame) => {
                    transcript.add(*connection, Direction::Received, &frame.to_string());
                }
                Moment::Cut => transcript.add(*connection, Direction::Sent, "(the connection is cut)"),
                Moment::Ended => transcript.add(*connection, Direction::Received, "(the connection ended)"),
                Moment::Garbage => {
                    transcript.add(*connection, Direction::Received, "(a message that is no JSON object)");
                }
                Moment::Opened | Moment::Sent(_) | Moment::Received(_) | Moment::Quiet { .. } => {}
            }
        }
    }

    /// Returns the number of connections.
    pub(super) fn connections(&self) -> usize {
        self.connection
    }

    /// Returns the moments of a connection.
    pub(super) fn of(&self, connection: usize) -> impl DoubleEndedIterator<Item = &Moment> + Clone {
        self.moments.iter().filter(move |(number, _)| *number == connection).map(|(_, moment)| moment)
    }

    /// Returns the frames of the client.
    pub(super) fn received(&self) -> impl Iterator<Item = &Value> + Clone {
        self.moments().filter_map(Moment::received)
    }

    /// Returns the frames of the client of one type.
    pub(super) fn received_of<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Value> + Clone {
        self.received().filter(move |frame| kind(frame) == wanted)
    }

    /// Returns the frames for the client of one type.
    pub(super) fn sent_of<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Value> + Clone {
        self.moments().filter_map(Moment::sent).filter(move |frame| kind(frame) == wanted)
    }

    /// Returns the first frame of each connection on which there was one, with the connection's number.
    pub(super) fn greetings(&self) -> impl Iterator<Item = (usize, &Value)> {
        (1..=self.connection).filter_map(|number| Some((number, self.of(number).find_map(Moment::received)?)))
    }

    /// Returns the welcome that a client had received last before a connection.
    pub(super) fn welcome_before(&self, connection: usize) -> Option<&Value> {
        let earlier = self.moments.iter().filter(|(number, _)| *number < connection);
        earlier.filter_map(|(_, moment)| moment.sent()).rfind(|frame| kind(frame) == "session.welcome")
    }

    /// Returns the highest number without a gap that was sent before a connection.
    pub(super) fn number_before(&self, connection: usize) -> u64 {
        let earlier = self.moments.iter().filter(|(number, _)| *number < connection);
        let numbers = earlier.filter_map(|(_, moment)| moment.sent().and_then(seq));
        numbers.fold(0, |last, number| if number == last + 1 { number } else { last })
    }
}

impl Moment {
    pub(super) fn received(&self) -> Option<&Value> {
        match self {
            Moment::Received(frame) => Some(frame),
            _ => None,
        }
    }

    pub(super) fn sent(&self) -> Option<&Value> {
        match self {
            Moment::Sent(frame) => Some(frame),
            _ => None,
        }
    }

    /// Returns whether it is a frame of this type that came from the client.
    pub(super) fn is_received(&self, wanted: &str) -> bool {
        self.received().is_some_and(|frame| kind(frame) == wanted)
    }
}

/// The session, the resume token and the number of a greeting that resumes a session, in each of the deployed forms.
pub(super) fn resumed(greeting: &Value) -> Option<(String, String, u64)> {
    let payload = &greeting["payload"];
    let resume = if payload["resume"].is_object() { &payload["resume"] } else { payload };
    let token = [text(resume, "/resume_token"), text(resume, "/token")].into_iter().find(|token| !token.is_empty())?;
    let session = [text(resume, "/session_id"), text(greeting, "/session_id")];
    let session = session.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    Some((session.to_owned(), token.to_owned(), resume["last_event_seq"].as_u64().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::resumed;

    #[test]
    fn every_form_of_a_resume_is_read() {
        let due = Some(("s".to_owned(), "t".to_owned(), 7));
        let resume = json!({"session_id": "s", "resume_token": "t", "last_event_seq": 7});
        assert_eq!(resumed(&json!({"type": "session.hello", "payload": {"resume": resume}})), due);
        assert_eq!(resumed(&json!({"type": "session.resume", "payload": resume})), due);
        let flat = json!({"session_id": "s", "payload": {"resume_token": "t", "last_event_seq": 7}});
        assert_eq!(resumed(&flat), due);
        assert_eq!(resumed(&json!({"payload": {"auth": {"token": "secret"}}})), None);
    }
}
