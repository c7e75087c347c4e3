//! See [`nuncio_tests::fuzz::simulation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::simulation(data));
