//! Times the hot paths of the core: `cargo bench -p nuncio-core --features caracal --bench hot_paths`. A name after `--` times
//! that path alone. The times are those of a sample, which has many operations; the line below them says how many a second has.
//!
//! Times differ from machine to machine. Instructions do not: `cargo run --release -p nuncio-tests --bin counts`.

#[path = "paths.rs"]
mod paths;

use divan::Bencher;
use divan::counter::ItemsCount;

use paths::{HotPath, PATHS, server};

fn main() {
    divan::main();
}

/// Returns the paths that are not made up mostly of what is there before, and whose frames are not counted below.
fn timed() -> impl Iterator<Item = &'static HotPath> {
    PATHS.iter().filter(|path| !path.name.starts_with("among") && !path.name.starts_with("frames"))
}

#[divan::bench(args = timed(), sample_count = 20, sample_size = 1)]
fn hot_path(bencher: Bencher<'_, '_>, path: &HotPath) {
    bencher.counter(ItemsCount::new(path.times)).bench(|| (path.run)(path.times));
}

/// The jobs of a sample: more than a runtime keeps after they have ended.
const JOBS: usize = 20_000;

/// The runtime alone, on one core: jobs of one session with so many events. Its items are the frames that go in and out.
#[divan::bench(args = [1, 10], sample_count = 20, sample_size = 1)]
fn frames(bencher: Bencher<'_, '_>, events: usize) {
    bencher.counter(ItemsCount::new(JOBS * (events + 3))).bench(|| server::frames(JOBS, events));
}
