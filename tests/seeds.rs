//! Runs every committed fuzz input through its target, so that what a fuzzer found once stays fixed.

use std::fs;
use std::path::Path;

use nuncio_tests::fuzz::TARGETS;

#[test]
fn seeds_replay() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (name, run) in TARGETS {
        let inputs = fs::read_dir(seeds.join(name)).expect("each target has seeds");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a readable directory").path();
            run(&fs::read(&path).expect("a readable seed"));
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
        assert!(seeds.join(format!("../fuzz_targets/{name}.rs")).exists(), "{name} has no program");
    }
    let programs = fs::read_dir(seeds.join("../fuzz_targets")).expect("the fuzz programs").count();
    assert_eq!(programs, TARGETS.len(), "each program is a target");
}

/// A router alone, on random choices.
#[test]
fn a_router_keeps_its_promises_whatever_happens() {
    for seed in 0..150 {
        nuncio_tests::fuzz::cap_router(&nuncio_tests::seeded::bytes_of(seed));
    }
}

/// Every target must accept any bytes without a panic.
#[test]
fn targets_take_anything() {
    for (_, run) in TARGETS {
        for len in [0_u8, 1, 2, 3, 7, 64, 255] {
            run(&(0..len).map(|at| at.wrapping_mul(37)).collect::<Vec<u8>>());
        }
    }
}
