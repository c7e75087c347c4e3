//! See [`nuncio_tests::fuzz::client_frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::client_frames(data));
