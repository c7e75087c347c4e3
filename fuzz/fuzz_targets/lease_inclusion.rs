//! See [`nuncio_tests::fuzz::lease_inclusion`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::lease_inclusion(data));
