use super::*;
use crate::testkit::binding;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

/// A socket that answers one request with `response`; gives the request.
fn answer(response: Vec<u8>, ask: impl FnOnce(&Nsm)) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nsm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut len = [0; 4];
        stream.read_exact(&mut len).unwrap();
        let mut request = vec![0; u32::from_be_bytes(len).try_into().unwrap()];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&u32::try_from(response.len()).unwrap().to_be_bytes()).unwrap();
        // A client that refuses so long an answer hangs up before its end.
        let _ = stream.write_all(&response);
        request
    });
    ask(&Nsm::open(&path).unwrap());
    server.join().unwrap()
}

fn hex(bytes: &str) -> Vec<u8> {
    hex::decode(bytes.replace(' ', "")).unwrap()
}

#[test]
fn attestation_bytes() {
    let request = answer(hex("a1 6b4174746573746174696f6e a1 68646f63756d656e74 43010203"), |nsm| {
        assert_eq!(nsm.attest(&binding(), &[7; 32]).unwrap(), Evidence::Nitro(vec![1, 2, 3]));
    });
    // {"Attestation": {"user_data": h'…', "nonce": h'…', "public_key": h'…'}}
    let user_data = hex::encode(binding().user_data());
    let (nonce, key) = ("07".repeat(32), "06".repeat(32));
    let golden = format!(
        "a1 6b4174746573746174696f6e a3 69757365725f64617461 5820{user_data} 656e6f6e6365 5820{nonce} \
         6a7075626c69635f6b6579 5820{key}"
    );
    assert_eq!(hex::encode(request), golden.replace(' ', ""));
}

#[test]
fn absent_fields_are_null() {
    let request = wire::encode(&Request::Attestation { user_data: None, nonce: None, public_key: None });
    let golden = "a1 6b4174746573746174696f6e a3 69757365725f64617461 f6 656e6f6e6365 f6 6a7075626c69635f6b6579 f6";
    assert_eq!(request, hex(golden));
}

#[test]
fn describe_nsm_bytes() {
    // {"DescribeNSM": {…, "locked_pcrs": [0, 1], "digest": "SHA384"}}
    let response = "a1 6b44657363726962654e534d a7 6d76657273696f6e5f6d616a6f72 01 6d76657273696f6e5f6d696e6f72 02 \
                    6d76657273696f6e5f7061746368 03 696d6f64756c655f6964 63692d31 686d61785f70637273 1820 \
                    6b6c6f636b65645f70637273 820001 66646967657374 66534841333834";
    let request = answer(hex(response), |nsm| {
        let expected = Description {
            module_id: "i-1".to_owned(),
            version: (1, 2, 3),
            max_pcrs: 32,
            locked_pcrs: [0, 1].into(),
            digest: "SHA384".to_owned(),
        };
        assert_eq!(nsm.describe().unwrap(), expected);
    });
    assert_eq!(request, hex("6b 44657363726962654e534d"));
}

#[test]
fn describe_pcr_and_random_bytes() {
    let request = answer(hex("a1 6b4465736372696265504352 a2 646c6f636b f5 6464617461 42abcd"), |nsm| {
        assert_eq!(nsm.describe_pcr(16).unwrap(), PcrState { locked: true, value: vec![0xab, 0xcd] });
    });
    // {"DescribePCR": {"index": 16}}
    assert_eq!(request, hex("a1 6b4465736372696265504352 a1 65696e646578 10"));

    let request = answer(hex("a1 6947657452616e646f6d a1 6672616e646f6d 420102"), |nsm| {
        assert_eq!(nsm.random().unwrap(), [1, 2]);
    });
    assert_eq!(request, hex("69 47657452616e646f6d"));
}

#[test]
fn refusals_and_wrong_answers_are_errors() {
    // {"Error": "InvalidIndex"}
    answer(hex("a1 654572726f72 6c496e76616c6964496e646578"), |nsm| {
        let refused = nsm.describe_pcr(99).unwrap_err();
        assert!(matches!(refused, DeviceError::Refused(ErrorCode::InvalidIndex)), "{refused}");
    });
    answer(hex("a1 6947657452616e646f6d a1 6672616e646f6d 420102"), |nsm| {
        let text = nsm.describe().unwrap_err().to_string();
        assert_eq!(text, "expected the security module to answer DescribeNSM, got GetRandom");
    });
    for bad in ["", "ff", "6b 44657363726962654e534d", "a1 6947657452616e646f6d a1 6672616e646f6d 420102 00"] {
        answer(hex(bad), |nsm| {
            assert!(matches!(nsm.random(), Err(DeviceError::Answer { .. })), "{bad}");
        });
    }
}

#[test]
fn a_response_longer_than_the_modules_is_not_read() {
    answer(vec![0; MAX_RESPONSE + 1], |nsm| {
        let text = nsm.random().unwrap_err().to_string();
        assert!(text.contains("expected at most 12288 bytes, got 12289"), "{text}");
    });
}

#[test]
fn only_devices_and_sockets_open() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Nsm::open(&dir.path().join("none")), Err(DeviceError::Open { .. })));
    assert!(matches!(Nsm::open(dir.path()), Err(DeviceError::Kind(_))));
    // A character device that is no security module: the request is refused by its driver, not answered.
    let null = Nsm::open(Path::new("/dev/null")).unwrap();
    assert!(matches!(null.describe(), Err(DeviceError::Exchange(_))));
}

#[test]
fn a_silent_socket_does_not_hold_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nsm.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let error = Nsm::open(&path).unwrap().random().unwrap_err();
    assert!(matches!(&error, DeviceError::Exchange(e) if e.kind() == io::ErrorKind::WouldBlock), "{error}");
}
