//! See [`nuncio_tests::fuzz::caracal_baggage`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::caracal_baggage(data));
