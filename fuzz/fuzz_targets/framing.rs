//! RFC 4571 and TURN's framing, in pieces of any size.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::fuzzing::framing(data));
