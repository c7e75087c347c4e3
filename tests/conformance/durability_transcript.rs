//! Ours: a transcript of a session can be read from its journal.

use nuncio_core::arcp::{SessionUlid, Transcribed, Transcript};
use nuncio_tests::world::{Frame, World};
use serde_json::json;

use crate::durability::{busy, frames_seen, last_ack, token_of, world};

fn transcript(w: &World, session: &str) -> (Transcript, Vec<Transcribed>) {
    let mut transcript = Transcript::new(SessionUlid::parse(session).unwrap());
    let records = w.records(w.stored.len());
    let frames = records.iter().filter_map(|(_, record)| transcript.take(record)).collect();
    (transcript, frames)
}

/// The lines of all frames after `from`.
fn lines(frames: &[Transcribed], from: u64) -> Vec<String> {
    let after = frames.iter().filter(|frame| frame.seq > from);
    let bytes = after.flat_map(|frame| frame.accepted.iter().chain([&frame.frame]));
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
}

#[test]
fn ours_a_transcript_is_what_a_resume_sends() {
    let w = busy();
    let (mut after, _) = w.crashed_at(w.stored.len());
    let sessions = frames_seen(&w, w.stored.len());
    assert!(sessions.len() >= 3);
    let mut announced = 0;
    for (session, frames) in sessions {
        let from = last_ack(&w, w.stored.len(), &session);
        let c = after.resume_as("tok-alice", &session, token_of(&frames), from);
        assert_eq!(after.recv(c).kind(), "session.welcome");
        let resumed: Vec<Frame> = after.drain(c);
        let (transcript, transcribed) = transcript(&after, &session);
        assert!(transcript.is_known() && !transcript.is_closed());
        let expected: Vec<&str> = resumed.iter().map(Frame::text).collect();
        assert_eq!(lines(&transcribed, from), expected);
        announced += transcribed.iter().filter(|frame| frame.accepted.is_some()).count();
        // The transcript is complete from the first event, without repetition.
        assert!(transcribed.iter().map(|frame| frame.seq).eq(1..=transcribed.len() as u64));
    }
    assert!(announced > 3, "{announced}");
}

#[test]
fn ours_a_transcript_distinguishes_known_closed_and_unknown_sessions() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let (session, b) = (w.session(a), w.login("tok-bob"));
    let stranger = w.session(b).replace("sess_", "sess_0").get(..31).unwrap().to_owned();
    let (known, frames) = transcript(&w, &session);
    assert_eq!((known.is_known(), known.is_closed(), frames.len()), (true, false, 1));
    assert_eq!(frames[0].job.to_string(), job.id);
    let (unknown, frames) = transcript(&w, &stranger);
    assert_eq!((unknown.is_known(), frames.len()), (false, 0));
    let window = w.runtime.config().resume_window.as_secs();
    w.send(a, "session.close", json!({}));
    w.cut(a);
    w.advance((window + 1) * nuncio_tests::world::SECOND);
    assert!(transcript(&w, &session).0.is_closed());
}
