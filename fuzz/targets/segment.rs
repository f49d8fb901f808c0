#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    daas_audit::fuzz::segment(bytes);
    daas_audit::fuzz::record(bytes);
    daas_audit::fuzz::log(bytes);
});
