#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    daas_gateway::fuzz::path(bytes);
    let mut parts = std::str::from_utf8(bytes).unwrap_or_default().splitn(3, ' ');
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    daas_audit::fuzz::request(method, path, query);
});
