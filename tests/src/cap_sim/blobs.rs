//! The blob store: slow, failing, silent, and forgetful. Whether a write that failed was done is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{Attempt, Fetched, Pointer};
use nuncio_core::time::Time;

use crate::seeded::Draw;
use crate::world::{MILLI, SECOND};

/// What a worker has asked the store for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Read(Pointer),
    Look(Pointer),
    Write { pointer: Pointer, output: Bytes, ttl: Duration },
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Op {
    /// When it is done and answered.
    pub(super) at: Time,
    pub(super) worker: usize,
    pub(super) life: u32,
    pub(super) attempt: Attempt,
    request: Request,
    /// Whether a write is done.
    is_done: bool,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Fine,
    Failed,
    Silent,
}

/// The answer to a worker.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Fetched(Fetched),
    Looked(Fetched),
    Stored(Result<(), String>),
}

#[derive(Debug, Default)]
pub(super) struct Blobs {
    /// The blobs with the time until which they are kept.
    stored: BTreeMap<Pointer, (Bytes, Time)>,
    ops: Vec<Op>,
}

impl Blobs {
    /// Writes a blob that does not expire, as a submitter does with an input.
    pub(super) fn put(&mut self, pointer: Pointer, bytes: Bytes) {
        self.stored.insert(pointer, (bytes, Time::MAX));
    }

    pub(super) fn read(&self, now: Time, pointer: &Pointer) -> Option<Bytes> {
        let (bytes, until) = self.stored.get(pointer)?;
        (*until > now).then(|| bytes.clone())
    }

    fn found(&self, now: Time, pointer: &Pointer) -> Fetched {
        self.read(now, pointer).map_or(Fetched::Missing, Fetched::Found)
    }

    /// Begins a request; `fails` is how often something is wrong, in percent.
    pub(super) fn begin(
        &mut self,
        now: Time,
        (worker, life, attempt): (usize, u32, Attempt),
        request: Request,
        fails: usize,
        draw: &mut Draw<'_, '_>,
    ) {
        let (mut late, mut is_done, mut answer) = (0, true, Answer::Fine);
        if draw.chance(fails) {
            answer = draw.one(&[Answer::Fine, Answer::Failed, Answer::Silent]);
            is_done = draw.chance(50);
            late = draw.one(&[0, 30 * MILLI, 4 * SECOND, 9 * SECOND]);
        }
        // What is answered with success was done.
        is_done |= answer == Answer::Fine;
        self.ops.push(Op { at: now.plus_micros(late), worker, life, attempt, request, is_done, answer });
    }

    pub(super) fn next_at(&self) -> Option<Time> {
        self.ops.iter().map(|op| op.at).min()
    }

    /// Does the first request that is due, and returns its answer if there is one.
    pub(super) fn act(&mut self, now: Time) -> Option<(Op, Option<Reply>)> {
        let place = self.ops.iter().position(|op| op.at <= now)?;
        let op = self.ops.remove(place);
        let down = || String::from("the store is down");
        let reply = match (&op.request, op.answer) {
            (Request::Read(_), Answer::Failed) => Some(Reply::Fetched(Fetched::Failed(down()))),
            (Request::Look(_), Answer::Failed) => Some(Reply::Looked(Fetched::Failed(down()))),
            (Request::Read(pointer), Answer::Fine) => Some(Reply::Fetched(self.found(now, pointer))),
            (Request::Look(pointer), Answer::Fine) => Some(Reply::Looked(self.found(now, pointer))),
            (Request::Read(_) | Request::Look(_), Answer::Silent) => None,
            (Request::Write { pointer, output, ttl }, answer) => {
                if op.is_done {
                    self.stored.insert(pointer.clone(), (output.clone(), now.plus(*ttl)));
                }
                match answer {
                    Answer::Fine => Some(Reply::Stored(Ok(()))),
                    Answer::Failed => Some(Reply::Stored(Err(down()))),
                    Answer::Silent => None,
                }
            }
        };
        Some((op, reply))
    }
}
