#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| daas_gateway::fuzz::k3s(bytes));
