//! See [`nuncio_tests::fuzz::restore_records`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::restore_records(data));
