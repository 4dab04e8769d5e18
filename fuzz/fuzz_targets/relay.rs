//! The TURN relay: messages of strangers, and signed ones of a client with an address.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::fuzzing::relay(data));
