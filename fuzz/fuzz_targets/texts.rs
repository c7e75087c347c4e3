//! See [`nuncio_tests::fuzz::texts`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::texts(data));
