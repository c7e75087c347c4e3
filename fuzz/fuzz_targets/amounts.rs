//! See [`nuncio_tests::fuzz::amounts`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::amounts(data));
