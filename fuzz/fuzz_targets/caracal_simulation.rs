//! See [`nuncio_tests::fuzz::caracal_simulation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::caracal_simulation(data));
