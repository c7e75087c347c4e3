//! See [`nuncio_tests::fuzz::cap_router`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::cap_router(data));
