//! See [`nuncio_tests::fuzz::cap_simulation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::cap_simulation(data));
