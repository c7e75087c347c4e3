//! Times the hot paths of the core: `cargo bench -p nuncio-core --features caracal --bench hot_paths`. A name after `--` times
//! that path alone. The times are those of a sample, which has many operations; the line below them says how many a second has.
//!
//! Times differ from machine to machine. Instructions do not: `cargo run --release -p nuncio-tests --bin counts`.

#[path = "paths.rs"]
mod paths;

use divan::Bencher;
use divan::counter::ItemsCount;

use paths::{HotPath, PATHS};

fn main() {
    divan::main();
}

/// Returns the paths that are not made up mostly of what is there before.
fn timed() -> impl Iterator<Item = &'static HotPath> {
    PATHS.iter().filter(|path| !path.name.starts_with("among"))
}

#[divan::bench(args = timed(), sample_count = 20, sample_size = 1)]
fn hot_path(bencher: Bencher<'_, '_>, path: &HotPath) {
    bencher.counter(ItemsCount::new(path.times)).bench(|| (path.run)(path.times));
}
