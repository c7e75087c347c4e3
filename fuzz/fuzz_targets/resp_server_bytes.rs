//! See [`nuncio_tests::fuzz::resp_server_bytes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::resp_server_bytes(data));
