//! See [`nuncio_tests::fuzz::caracal_answers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nuncio_tests::fuzz::caracal_answers(data));
