//! Random values of the types of fields, with those at the edges far more often than chance would have them.

use std::collections::BTreeMap;

use nuncio_core::cap::{PrivateMap, Secret};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A source of random values.
pub(super) struct Draw {
    random: ChaCha8Rng,
    /// Whether maps may have keys that other keys begin with.
    pub(super) prefixes: bool,
}

impl Draw {
    pub(super) fn new(seed: u64, prefixes: bool) -> Draw {
        Draw { random: ChaCha8Rng::seed_from_u64(seed), prefixes }
    }

    /// Returns a number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap() % n
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Returns a value of whatever type is needed.
    pub(super) fn draw<T: Drawn>(&mut self) -> T {
        T::drawn(self)
    }

    fn several<T: Drawn>(&mut self, most: usize) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| self.draw()).collect()
    }
}

/// A type of which random values can be drawn.
pub(super) trait Drawn {
    fn drawn(draw: &mut Draw) -> Self;
}

const PREFIXES: [&str; 13] =
    ["", "a", "ab", "abc", "job.echo", "job.echo.fail", "tenant", "tenant_id", "é", "éa", "\0", "\0\0", "~"];
const DISTINCT: [&str; 10] = ["1a", "b\0", "job.echo", "tenant", "é", "𝄞", "~", "\u{7f}", "ß", "Z"];

impl Drawn for String {
    fn drawn(draw: &mut Draw) -> String {
        let long = ["x".repeat(300), "ß".repeat(70)];
        let texts = ["", "", "a", "job-1", "\0", "é", "𝄞", "\u{feff}\u{2028}\r\n", "redis://ctx:1", &long[0], &long[1]];
        draw.one(&texts).to_owned()
    }
}

/// Types whose values are drawn from a list.
macro_rules! listed {
    ($( $type:ty: $values:expr; )+) => { $(
        impl Drawn for $type {
            fn drawn(draw: &mut Draw) -> $type {
                draw.one(&$values)
            }
        }
    )+ };
}

listed! {
    bool: [false, true];
    i32: [0, 1, -1, 127, 128, i32::MAX, i32::MIN];
    i64: [0, 1, -1, 128, (1 << 53) + 1, i64::MAX, i64::MIN];
    u64: [0, 1, 1 << 32, u64::MAX];
    f32: [0.0, -0.0, 1.5, f32::MAX, f32::INFINITY, f32::NAN];
    Vec<u8>: [vec![], vec![0], (0..=255).collect(), vec![0xff; 16]];
}

impl Drawn for Secret {
    fn drawn(draw: &mut Draw) -> Secret {
        Secret::new(String::drawn(draw))
    }
}

impl<V: Drawn> Drawn for BTreeMap<String, V> {
    fn drawn(draw: &mut Draw) -> BTreeMap<String, V> {
        let keys: &[&str] = if draw.prefixes { &PREFIXES } else { &DISTINCT };
        (0..draw.below(7)).map(|_| (draw.one(keys).to_owned(), draw.draw())).collect()
    }
}

impl Drawn for PrivateMap {
    fn drawn(draw: &mut Draw) -> PrivateMap {
        PrivateMap(draw.draw())
    }
}

impl Drawn for Vec<String> {
    fn drawn(draw: &mut Draw) -> Vec<String> {
        draw.several(3)
    }
}

impl Drawn for Vec<i32> {
    fn drawn(draw: &mut Draw) -> Vec<i32> {
        draw.several(3)
    }
}

impl<T: Drawn> Drawn for Box<T> {
    fn drawn(draw: &mut Draw) -> Box<T> {
        Box::new(draw.draw())
    }
}

/// A message that is absent, present and empty, or filled.
impl<T: Drawn + Default> Drawn for Option<T> {
    fn drawn(draw: &mut Draw) -> Option<T> {
        match draw.below(4) {
            0 => None,
            1 => Some(T::default()),
            _ => Some(draw.draw()),
        }
    }
}
