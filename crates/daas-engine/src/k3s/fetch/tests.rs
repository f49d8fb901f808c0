use super::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const VERSION: &str = "v1.36.2+k3s1";
const FOLDER: &str = "/v1.36.2%2Bk3s1";

/// A place with releases: what it answers at each path, and what it was asked.
struct Mirror {
    place: Place,
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

// === impl Mirror ===

impl Mirror {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (answers, asked) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(Mutex::new(Vec::new())));
        let mut task = JoinSet::new();
        let (known, heard) = (Arc::clone(&answers), Arc::clone(&asked));
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let path = path(stream, &known).await;
                heard.lock().unwrap().push(path);
            }
        });
        Self { place, answers, asked, _task: task }
    }

    /// A release whose program is this one, with the checksum of that one.
    async fn with(program: &str, summed: &str) -> Self {
        let mirror = Self::start().await;
        let names = Names::of(std::env::consts::ARCH).unwrap();
        let sum = hex::encode(Sha256::digest(summed));
        let other = hex::encode(Sha256::digest("other"));
        mirror.answers(names.checksums, &ok(&format!("{other}  k3s-airgap-images.tar\n{sum}  {}\n", names.program)));
        mirror.answers(names.program, &ok(program));
        mirror
    }

    fn answers(&self, name: &str, answer: &str) {
        self.answers.lock().unwrap().insert(format!("{FOLDER}/{name}"), answer.to_owned());
    }

    fn sends_on(&self, name: &str, to: &str) {
        // Longer than what it leads to: none of it may stay.
        let page = "moved".repeat(100_000);
        let length = page.len();
        self.answers(name, &format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: {length}\r\n\r\n{page}"));
    }

    async fn fetch(&self, cache: &Path) -> Result<Binaries, K3sError> {
        fetch(&VERSION.parse()?, &self.place, cache, &mut |_| ()).await
    }

    async fn fails(&self) -> FetchError {
        let cache = tempfile::tempdir().unwrap();
        let error = self.fetch(cache.path()).await.unwrap_err();
        assert_eq!(left(cache.path()), ["lock"], "{error}");
        assert_eq!(fetched(cache.path()), None);
        let K3sError::Fetch(error) = error else { panic!("{error}") };
        error
    }
}

async fn path(stream: TcpStream, known: &Mutex<BTreeMap<String, String>>) -> String {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let answer = known.lock().unwrap().get(&path).cloned();
    let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".to_owned());
    // Who has enough hangs up.
    let _ = write.write_all(answer.as_bytes()).await;
    path
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn program(version: &str) -> String {
    format!("#!/bin/sh\necho 'k3s version {version} (0)'\n# {}\n", "x".repeat(200_000))
}

fn left(cache: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn name() -> &'static str {
    Names::of(std::env::consts::ARCH).unwrap().program
}

#[tokio::test]
async fn what_was_fetched_is_whole_runs_and_is_found() {
    let cache = tempfile::tempdir().unwrap();
    let (text, hash) = (program(VERSION), hex::encode(Sha256::digest(program(VERSION))));
    let mirror = Mirror::with(&text, &text).await;
    fs::write(cache.path().join(format!("{UNFINISHED}of-one-that-was-killed")), "half").unwrap();
    let mut last = 0;
    let mut progress = |progress| {
        if let Progress::Downloading { bytes } = progress {
            last = bytes;
        }
    };
    let got = fetch(&VERSION.parse().unwrap(), &mirror.place, cache.path(), &mut progress).await.unwrap();
    assert_eq!((got.version(), got.manifest()), (VERSION, format!("{hash}  k3s\n").as_str()));
    assert_eq!(last, u64::try_from(text.len()).unwrap(), "how far it is was told");
    assert_eq!(fs::read_to_string(got.path(Program::K3s)).unwrap(), text);
    assert_eq!(left(cache.path()), [format!("k3s-{hash}"), FETCHED.to_owned(), "lock".to_owned()]);
    let found = fetched(&cache.path().canonicalize().unwrap()).unwrap();
    assert_eq!(found, got.path(Program::K3s));
    let ready = super::super::find_at(&found, cache.path()).await.unwrap();
    assert_eq!(ready.manifest(), got.manifest());
    // Again: only the list is asked for.
    mirror.asked.lock().unwrap().clear();
    mirror.fetch(cache.path()).await.unwrap();
    assert_eq!(mirror.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_altered_in_the_cache_does_not_run() {
    let cache = tempfile::tempdir().unwrap();
    let text = program(VERSION);
    let mirror = Mirror::with(&text, &text).await;
    let placed = mirror.fetch(cache.path()).await.unwrap().path(Program::K3s);
    fs::write(&placed, program("v1.36.3+k3s1")).unwrap();
    let error = super::super::find_at(&placed, cache.path()).await.unwrap_err();
    assert!(matches!(error, K3sError::Altered { .. }), "{error}");
    mirror.fetch(cache.path()).await.unwrap();
    assert_eq!(fs::read_to_string(&placed).unwrap(), text, "fetched again");
}

#[tokio::test]
async fn one_with_another_checksum_is_not_run_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let text = format!("#!/bin/sh\ntouch {}\necho 'k3s version {VERSION} (0)'\n", ran.display());
    let error = Mirror::with(&text, "released").await.fails().await;
    let expected = hex::encode(Sha256::digest("released"));
    assert!(matches!(&error, FetchError::Checksum { expected: said, .. } if *said == expected), "{error}");
    assert!(!ran.exists(), "it was run");
    // With its checksum it is: the test can see it.
    let cache = tempfile::tempdir().unwrap();
    Mirror::with(&text, &text).await.fetch(cache.path()).await.unwrap();
    assert!(ran.exists());
}

#[tokio::test]
async fn another_release_under_this_name_is_refused() {
    let text = program("v1.36.3+k3s1");
    let error = Mirror::with(&text, &text).await.fails().await;
    assert!(matches!(&error, FetchError::OtherVersion { found, .. } if found.to_string() == "v1.36.3+k3s1"), "{error}");
}

#[tokio::test]
async fn who_is_sent_on_arrives_and_never_at_less_than_https() {
    let text = program(VERSION);
    let (mirror, store) = (Mirror::with(&text, &text).await, Mirror::with(&text, &text).await);
    mirror.sends_on(name(), &format!("{}{FOLDER}/{}?signature=1", store.place.url(), name()));
    store.answers(&format!("{}?signature=1", name()), &ok(&text));
    let cache = tempfile::tempdir().unwrap();
    mirror.fetch(cache.path()).await.unwrap();
    for elsewhere in ["http://192.0.2.1/k3s", "file:///etc/passwd"] {
        mirror.sends_on(name(), elsewhere);
        let error = mirror.fails().await;
        assert!(matches!(error, FetchError::BadPlace { .. }), "{elsewhere}: {error}");
    }
    mirror.sends_on(name(), &format!("{FOLDER}/{}", name()));
    let error = mirror.fails().await;
    assert!(error.to_string().contains("sent on too often"), "{error}");
}

#[tokio::test]
async fn each_failure_has_its_own_name_and_leaves_nothing() {
    let names = Names::of(std::env::consts::ARCH).unwrap();
    let text = program(VERSION);
    let mirror = Mirror::with(&text, &text).await;
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n{text}");
    mirror.answers(names.program, &half);
    assert!(matches!(mirror.fails().await, FetchError::Network { .. }), "it broke off");
    mirror.answers(names.program, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let busy = mirror.fails().await;
    assert!(matches!(&busy, FetchError::Network { said, .. } if said.contains("503")), "{busy}");
    mirror.answers.lock().unwrap().remove(&format!("{FOLDER}/{}", names.program));
    assert!(matches!(mirror.fails().await, FetchError::NotThere { status: 404, .. }));
    mirror.answers(names.checksums, &ok(&"x".repeat(100_000)));
    assert!(matches!(mirror.fails().await, FetchError::TooLong { limit: LONGEST_LIST, .. }));
    mirror.answers(names.checksums, &ok("nothing of ours\n"));
    assert!(matches!(mirror.fails().await, FetchError::NoChecksum { .. }));
    let nobody = Mirror { place: "http://127.0.0.1:1".parse().unwrap(), ..mirror };
    let error = nobody.fails().await;
    assert!(matches!(&error, FetchError::Network { said, .. } if said.contains("connect")), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut full = Receiving::begin(folder.path()).unwrap();
    full.file = File::from_std(File::options().write(true).open("/dev/full").await.unwrap().into_std().await);
    let kept = async {
        full.take(program(VERSION).as_bytes()).await?;
        full.complete().await.map(drop)
    };
    let error = full_or(kept.await.unwrap_err(), folder.path());
    assert!(
        matches!(&error, K3sError::Fetch(FetchError::DiskFull { folder: said }) if said == folder.path()),
        "{error}"
    );
    assert_eq!(left(folder.path()), Vec::<String>::new());
}

#[test]
fn curl_is_missed_by_name() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Curl::find(empty.path().as_os_str()), Err(FetchError::NoCurl)));
}
