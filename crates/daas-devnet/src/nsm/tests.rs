//! The production verifier judges what the simulation makes.

mod harness;

use super::*;
use daas_attest::device::{DeviceError, ErrorCode, Nsm};
use daas_attest::{
    CertificateFault, Evidence, Expected, Roots, SecurityLevel, UnverifiedDocument, VerifyError, verify,
};
use daas_types::UnixMs;
use daas_types::genesis::Genesis;
use harness::{CHILD_SOCKET, HOUR, NOW, Running, args, binding, expected, nonce};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn the_verifier_accepts_its_documents_where_the_genesis_names_its_root() {
    let running = Running::start();
    let evidence = running.attest().await;
    let verified = verify(&evidence, &running.roots(), &running.expected(), UnixMs(NOW + 30_000)).unwrap();
    assert_eq!(verified.security_level(), SecurityLevel::Simulated);
    assert_eq!(verified.timestamp(), UnixMs(NOW));
    assert!(verified.module_id().starts_with("i-simulated"));
    assert_eq!(verified.pcrs().len(), 16);
    assert_eq!(verified.pcrs()[&15], [0; 48]);

    let other = Running::start();
    let mainnet = Genesis::of_digest(daas_types::genesis::MAINNET.parse().unwrap());
    for roots in [Roots::aws(), other.roots(), Roots::for_genesis(&mainnet)] {
        let refused = verify(&evidence, &roots, &running.expected(), UnixMs(NOW)).unwrap_err();
        assert!(matches!(refused, VerifyError::UnknownRoot { .. }), "{refused}");
    }
    other.stop().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_key_stays_and_is_private() {
    let running = Running::start();
    let root_key = running.root_key;
    let mode = fs::metadata(running.path("tee-root.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = fs::metadata(running.path("nsm.sock")).unwrap().permissions().mode();
    assert_eq!(socket & 0o777, 0o600);
    let dir = running.stop().await;
    assert!(!dir.path().join("nsm.sock").exists());

    assert_eq!(root::load_or_create(dir.path()).unwrap().key_hash(), root_key);
    let again = Running::start_in(dir);
    assert_eq!(again.root_key, root_key);
    let debug = format!("{:?}", root::load_or_create(again.dir.path()).unwrap());
    assert_eq!(debug, "Root { .. }");
    let dir = again.stop().await;

    fs::write(dir.path().join("tee-root.key"), "no key").unwrap();
    assert!(matches!(root::load_or_create(dir.path()), Err(NsmError::Root { .. })));
}

#[test]
fn two_that_make_the_root_at_once_get_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let hashes: Vec<_> = std::thread::scope(|scope| {
        let make = || root::load_or_create(dir.path()).unwrap().key_hash();
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(hashes[0], hashes[1]);
    let kept: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(kept, ["tee-root.key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_in_time() {
    let running = Running::start();
    let certificate = |evidence: &Evidence| {
        let Evidence::Nitro(document) = evidence else { unreachable!() };
        UnverifiedDocument::read(document, &Roots::aws()).unwrap().certificate
    };
    let first = running.attest().await;
    running.clock.store(NOW + HOUR, Ordering::SeqCst);
    let second = running.attest().await;
    assert_eq!(certificate(&first), certificate(&second));
    // A document of the last half hour still has half an hour of certificate left.
    running.clock.store(NOW + 3 * HOUR - 1, Ordering::SeqCst);
    let third = running.attest().await;
    assert_ne!(certificate(&second), certificate(&third));
    verify(&third, &running.roots(), &running.expected(), UnixMs(NOW + 3 * HOUR)).unwrap();
    // Days later, and back.
    for at in [NOW + 100 * 24 * HOUR, NOW - 24 * HOUR] {
        running.clock.store(at, Ordering::SeqCst);
        verify(&running.attest().await, &running.roots(), &running.expected(), UnixMs(at)).unwrap();
    }
    let late = UnixMs(NOW + 4 * HOUR);
    let refused = verify(&second, &running.roots(), &running.expected(), late).unwrap_err();
    let expired = matches!(refused, VerifyError::Certificate { index: 4, fault: CertificateFault::Expired { .. } });
    assert!(expired, "{refused}");
    running.stop().await;
}

/// Not a test of its own: run again by the next one as a copied executable, it asks for a document as a master would.
#[test]
fn child() {
    let Some(socket) = std::env::var_os(CHILD_SOCKET) else {
        return;
    };
    let Evidence::Nitro(document) = Nsm::open(Path::new(&socket)).unwrap().attest(&binding(), &nonce()).unwrap() else {
        unreachable!()
    };
    fs::write(std::env::current_exe().unwrap().with_extension("document"), document).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_executable_measures_differently() {
    let running = Running::start();
    let own = std::env::current_exe().unwrap();
    let (same, changed) = (running.path("same"), running.path("changed"));
    fs::copy(&own, &same).unwrap();
    let mut bytes = fs::read(&own).unwrap();
    bytes.push(0);
    fs::write(&changed, bytes).unwrap();
    fs::set_permissions(&changed, fs::Permissions::from_mode(0o700)).unwrap();

    let mut documents = vec![];
    for exe in [&same, &changed] {
        let mut child = Command::new(exe);
        child.args(["--exact", "nsm::tests::child"]).env(CHILD_SOCKET, running.path("nsm.sock"));
        let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        documents.push(Evidence::Nitro(fs::read(exe.with_extension("document")).unwrap()));
    }
    let judge = |evidence, expected: &Expected| verify(evidence, &running.roots(), expected, UnixMs(NOW)).map(|_| ());
    // The copy is the same program under another name and inode.
    assert_eq!(judge(&documents[0], &running.expected()), Ok(()));
    let refused = judge(&documents[1], &running.expected()).unwrap_err();
    let VerifyError::Measurement { allowed, got } = refused else { panic!("{refused}") };
    assert_ne!(got.pcr0, allowed[0].pcr0);
    assert_eq!(got.pcr1, allowed[0].pcr1);
    assert_ne!(got.pcr2, allowed[0].pcr2);
    let registered = measure(&changed, &running.path("engine.json")).unwrap();
    assert_eq!(judge(&documents[1], &expected(registered)), Ok(()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_manifest_measures_differently() {
    let running = Running::start();
    let before = running.expected();
    fs::write(running.path("engine.json"), b"{ }").unwrap();
    let evidence = running.attest().await;
    let refused = verify(&evidence, &running.roots(), &before, UnixMs(NOW)).unwrap_err();
    let VerifyError::Measurement { allowed, got } = refused else { panic!("{refused}") };
    assert_ne!(got.pcr0, allowed[0].pcr0);
    assert_eq!(got.pcr2, allowed[0].pcr2);
    verify(&evidence, &running.roots(), &running.expected(), UnixMs(NOW)).unwrap();
    running.stop().await;
}

#[test]
fn the_measurement_is_the_documented_one() {
    let dir = tempfile::tempdir().unwrap();
    let (exe, manifest) = (dir.path().join("exe"), dir.path().join("manifest"));
    fs::write(&exe, b"exe").unwrap();
    fs::write(&manifest, b"manifest").unwrap();
    let measured = measure(&exe, &manifest).unwrap();
    let hex = [&measured.pcr0, &measured.pcr1, &measured.pcr2].map(hex::encode);
    assert_eq!(
        hex,
        [
            "b6e8310992991faa9d927200079085629736e4c009055ba07874a41a6ebc3dd3160831f1503b3414cf4e2a2a82564d31",
            "18db82a951c51f726393521017645fd0b437949fd5bfd897de04051a360a70e571cb955cfd82c208fe5f50a8644123b8",
            "7c309b14d49e2aec8c4b7d460dc095fa9342d720db6f0816e1a2c2c5a9c5e6374d13cc5cae5eb7ccc76375670a5295cb"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_module_describes_itself_and_refuses_what_it_must() {
    let running = Running::start();
    running
        .ask(|nsm| {
            let description = nsm.describe().unwrap();
            assert!(description.module_id.starts_with("i-simulated"));
            assert_eq!((description.max_pcrs, description.locked_pcrs.len()), (16, 16));
            assert_eq!(description.digest, "SHA384");
            assert!(nsm.describe_pcr(0).unwrap().locked);
            assert_eq!(nsm.describe_pcr(15).unwrap().value, [0; 48]);
            assert!(matches!(nsm.describe_pcr(16), Err(DeviceError::Refused(ErrorCode::InvalidIndex))));
            assert_ne!(nsm.random().unwrap(), nsm.random().unwrap());
        })
        .await;
    let refusals = [
        ("a1 69457874656e64504352 a2 65696e646578 00 6464617461 40", "6d526561644f6e6c79496e646578"),
        ("a1 684c6f636b50435273 a1 6572616e6765 1821", "6c496e76616c6964496e646578"),
        ("a1 6b4174746573746174696f6e a1 656e6f6e6365 590201", "6d496e707574546f6f4c61726765"),
        ("ff", "6f496e76616c6964417267756d656e74"),
        ("69 47657452616e646f6d 00", "6f496e76616c6964417267756d656e74"),
    ];
    for (request, code) in refusals {
        let mut request = hex::decode(request.replace(' ', "")).unwrap();
        if request.ends_with(&[0x59, 0x02, 0x01]) {
            request.extend([0; 513]);
        }
        let response = raw(&running.path("nsm.sock"), &request).await;
        assert_eq!(hex::encode(response), format!("a1654572726f72{code}"));
    }
    running.stop().await;
}

async fn raw(socket: &Path, request: &[u8]) -> Vec<u8> {
    use tokio::io::AsyncReadExt as _;
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    wire::write_frame(&mut stream, request).await.unwrap();
    let len = stream.read_u32().await.unwrap();
    let mut response = vec![0; len.try_into().unwrap()];
    stream.read_exact(&mut response).await.unwrap();
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_in_use_or_not_ours_is_replaced() {
    let running = Running::start();
    let clock: Clock = Arc::new(|| UnixMs(NOW));
    let taken = Simulation::bind(args(running.dir.path()), Arc::clone(&clock)).map(|_| ());
    assert!(matches!(taken, Err(NsmError::InUse(_))), "{taken:?}");
    // The refused start took nothing away.
    running.attest().await;
    let dir = running.stop().await;

    // Left behind by a process that was killed: the file is there, nobody listens.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("nsm.sock")).unwrap());
    let running = Running::start_in(dir);
    running.attest().await;
    let dir = running.stop().await;

    fs::write(dir.path().join("nsm.sock"), b"mine").unwrap();
    let kept = Simulation::bind(args(dir.path()), clock).map(|_| ());
    assert!(matches!(kept, Err(NsmError::NotASocket(_))), "{kept:?}");
    assert_eq!(fs::read(dir.path().join("nsm.sock")).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_or_broken_frame_ends_its_connection_only() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let running = Running::start();
    for frame in [&[0xff_u8; 8][..], &[0, 0, 0x10, 0x01, 0][..]] {
        let mut stream = tokio::net::UnixStream::connect(running.path("nsm.sock")).await.unwrap();
        stream.write_all(frame).await.unwrap();
        let mut rest = vec![];
        // Closed or reset, but without an answer.
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    }
    running.attest().await;
    running.stop().await;
}
