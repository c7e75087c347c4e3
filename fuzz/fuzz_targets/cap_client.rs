//! See [`nuncio_tests::fuzz::cap_client`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::cap_client(data));
