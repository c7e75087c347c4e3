//! What the simulators share: choices that are read from bytes, transcripts, and runs of many seeds.

mod draw;
mod sweep;

use std::cell::RefCell;
use std::collections::BTreeMap;

use arbitrary::Unstructured;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) use draw::Draw;
pub use sweep::{Sweep, seed, show, show_bytes, sweep};

/// A simulator: it reads its choices from bytes, and panics if a rule is broken.
pub type Run = fn(&mut Unstructured<'_>) -> Report;

/// Returns the bytes of a seed.
pub fn bytes_of(seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let len = [300, 800, 1_000, 2_400][usize::try_from(seed % 4).unwrap_or(0)];
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of steps drawn.
    pub steps: u64,
    /// A digest of everything that was sent: equal for equal bytes.
    pub digest: u64,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

thread_local! {
    static TRANSCRIPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Starts recording a transcript of the runs on this thread.
fn record() {
    TRANSCRIPT.with(|lines| *lines.borrow_mut() = Some(Vec::new()));
}

/// Ends the recording and returns the transcript.
fn recorded() -> Vec<String> {
    TRANSCRIPT.with(|lines| lines.borrow_mut().take()).unwrap_or_default()
}

/// Adds a line to the transcript, if one is recorded.
pub(crate) fn note(line: impl FnOnce() -> String) {
    TRANSCRIPT.with(|lines| {
        if let Some(lines) = lines.borrow_mut().as_mut() {
            lines.push(line());
        }
    });
}
