//! See [`nuncio_tests::fuzz::caracal_coordinator`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::caracal_coordinator(data));
