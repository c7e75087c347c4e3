//! The frames of a check, as they are shown beside a failure: without secrets, and cut to a bound.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// Frames that are kept for a failure.
const FRAMES: usize = 14;
/// Characters of a frame that are shown.
const CHARACTERS: usize = 400;
/// What takes the place of a secret.
const HIDDEN: &str = "[hidden]";
/// The shortest text that is replaced wherever it occurs. A shorter one could occur by chance.
const SHORTEST: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    Sent,
    Received,
}

/// A frame, or a note such as the end of a connection.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    /// The number of the connection within the check, from 1.
    pub(super) connection: usize,
    pub(super) direction: Direction,
    /// The text of the frame.
    pub(super) frame: String,
}

/// The last frames of a check, over all of its connections.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    entries: std::collections::VecDeque<Entry>,
    left_out: usize,
    connections: usize,
    secrets: BTreeSet<String>,
}

impl Transcript {
    /// Begins with secrets that are known already, such as the token.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Transcript {
        let mut transcript = Transcript::default();
        secrets.into_iter().for_each(|secret| transcript.hide(secret));
        transcript
    }

    /// Returns an empty transcript that knows the same secrets.
    pub(super) fn without_frames(&self) -> Transcript {
        Transcript { secrets: self.secrets.clone(), ..Transcript::default() }
    }

    /// Returns the number of a new connection.
    pub(super) fn connect(&mut self) -> usize {
        self.connections += 1;
        self.connections
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, connection: usize, direction: Direction, frame: &str) {
        if let Ok(frame) = serde_json::from_str::<Value>(frame) {
            self.learn(&frame);
        }
        // The rest of a long frame is not kept. A secret that the cut divides stays hidden, because it is replaced before.
        let frame = self.without_secrets(frame);
        self.entries.push_back(Entry { connection, direction, frame: cut(&frame) });
        if self.entries.len() > FRAMES {
            self.entries.pop_front();
            self.left_out += 1;
        }
    }

    /// Returns the frames, and how many earlier ones are left out.
    pub(super) fn shown(&self) -> (Vec<Entry>, usize) {
        // A secret may have been sent before it was known to be one.
        let shown = self.entries.iter().map(|entry| {
            let frame = self.without_secrets(&entry.frame);
            Entry { connection: entry.connection, direction: entry.direction, frame }
        });
        (shown.collect(), self.left_out)
    }

    /// Returns a text of a peer without secrets.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().rev().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.insert(secret.to_owned());
        }
    }

    /// Finds the secrets of a frame: tokens, and the values of credentials.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let is_credential = members.contains_key("endpoint")
                    || members.get("phase").is_some_and(|phase| phase == "credential_rotated");
                for (name, member) in members {
                    match member {
                        Value::String(text)
                            if matches!(name.as_str(), "token" | "resume_token" | "credential_value")
                                || (name == "value" && is_credential) =>
                        {
                            self.hide(text);
                        }
                        _ => self.learn(member),
                    }
                }
            }
            Value::Array(members) => members.iter().for_each(|member| self.learn(member)),
            _ => {}
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{CHARACTERS, Direction, FRAMES, Transcript};

    fn shown(transcript: &Transcript) -> String {
        let (entries, _) = transcript.shown();
        entries.into_iter().map(|entry| entry.frame).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn secrets_are_left_out_wherever_they_occur() {
        let mut transcript = Transcript::new(["s3cret-token"]);
        transcript.add(1, Direction::Sent, r#"{"payload":{"auth":{"token":"another-token"}}}"#);
        transcript.add(1, Direction::Received, r#"{"payload":{"message":"s3cret-token and another-token are wrong"}}"#);
        transcript.add(1, Direction::Received, r#"{"payload":{"log":"rt_0123456789"}}"#);
        transcript.add(1, Direction::Received, r#"{"payload":{"resume_token":"rt_0123456789"}}"#);
        let credential = r#"{"credentials":[{"id":"c","endpoint":"e","value":"sk-virt-1"}],"value":"kept-value"}"#;
        transcript.add(1, Direction::Received, credential);
        let text = shown(&transcript);
        for secret in ["s3cret-token", "another-token", "rt_0123456789", "sk-virt-1"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("kept-value") && text.contains("are wrong"), "{text}");
    }

    #[test]
    fn a_transcript_is_bounded() {
        let mut transcript = Transcript::new([]);
        for _ in 0..FRAMES + 5 {
            transcript.add(1, Direction::Received, &"ü".repeat(CHARACTERS * 10));
        }
        let (entries, left_out) = transcript.shown();
        assert_eq!((entries.len(), left_out), (FRAMES, 5));
        assert!(entries.iter().all(|entry| entry.frame.chars().count() < CHARACTERS + 30), "{entries:?}");
    }
}
