//! Letters between the shards of a server: what sessions ask other shards about jobs there, and what these answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nuncio_core::arcp::{Guest, SessionUlid};

use crate::io::sync::{Signal, lock};

/// What a shard writes to another one.
pub(super) enum Letter {
    /// A session of this shard asks.
    Ask { home: u32, guest: Guest, frame: Bytes },
    /// A frame for a session of the other shard.
    Frame { from: u32, session: SessionUlid, frame: Bytes },
    /// The session has taken a frame of the other shard.
    Taken { session: SessionUlid },
    /// The session is gone, and asks no more.
    Left { session: SessionUlid },
    /// The connection of the session's guest was closed here.
    Lost { from: u32, session: SessionUlid },
}

/// The letter boxes of all shards. A letter is posted while the machine of its writer is locked, so that letters of one writer
/// arrive in the order of that machine's outputs.
pub(super) struct Post {
    boxes: Vec<LetterBox>,
}

#[derive(Default)]
struct LetterBox {
    letters: Mutex<VecDeque<Letter>>,
    arrived: Signal,
}

impl Post {
    pub(super) fn new(shards: u32) -> Arc<Post> {
        Arc::new(Post { boxes: (0..shards).map(|_| LetterBox::default()).collect() })
    }

    /// Puts a letter into the box of a shard. Returns whether its reader has to be [woken](Post::wake).
    pub(super) fn send(&self, to: u32, letter: Letter) -> bool {
        let Some(letter_box) = self.letter_box(to) else { return false };
        let mut letters = lock(&letter_box.letters);
        letters.push_back(letter);
        letters.len() == 1
    }

    /// Returns the other shards.
    pub(super) fn others(&self, shard: u32) -> impl Iterator<Item = u32> + use<> {
        let shards = u32::try_from(self.boxes.len()).unwrap_or(u32::MAX);
        (0..shards).filter(move |other| *other != shard)
    }

    /// Wakes the reader of a shard.
    pub(super) fn wake(&self, shard: u32) {
        if let Some(letter_box) = self.letter_box(shard) {
            letter_box.arrived.notify();
        }
    }

    /// Takes the next letter of a shard.
    pub(super) fn next(&self, shard: u32) -> Option<Letter> {
        lock(&self.letter_box(shard)?.letters).pop_front()
    }

    /// Waits until a shard has letters.
    pub(super) async fn arrived(&self, shard: u32) {
        if let Some(letter_box) = self.letter_box(shard) {
            letter_box.arrived.notified().await;
        }
    }

    fn letter_box(&self, shard: u32) -> Option<&LetterBox> {
        self.boxes.get(usize::try_from(shard).ok()?)
    }
}
