//! See [`nuncio_tests::fuzz::http1_bytes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::http1_bytes(data));
