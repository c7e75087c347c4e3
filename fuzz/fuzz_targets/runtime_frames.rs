//! See [`nuncio_tests::fuzz::runtime_frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::runtime_frames(data));
