/// Documents without AWS' signature, which the test VM cannot check: the framework's own type, with any content.
#[test_only]
extend module sui::nitro_attestation;

/// `pcrs` with the index of each.
public fun document_for_testing(
    timestamp: u64,
    indices: vector<u8>,
    values: vector<vector<u8>>,
    public_key: Option<vector<u8>>,
    user_data: Option<vector<u8>>,
    nonce: Option<vector<u8>>,
): NitroAttestationDocument {
    NitroAttestationDocument {
        module_id: b"i-0123456789abcdef0-enc0123456789abcdef",
        timestamp,
        digest: b"SHA384",
        pcrs: indices.zip_map!(values, |index, value| PCREntry { index, value }),
        public_key,
        user_data,
        nonce,
    }
}
