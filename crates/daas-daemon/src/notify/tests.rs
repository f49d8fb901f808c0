use super::*;
use tokio::net::UnixDatagram as Listener;
use tokio::time::Instant;

const WATCHDOG: Duration = Duration::from_secs(30);

/// A service manager's socket.
struct Manager {
    socket: Listener,
    name: OsString,
    _folder: Option<tempfile::TempDir>,
}

impl Manager {
    fn at_a_path() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        Self { socket: Listener::bind(&path).unwrap(), name: path.into(), _folder: Some(folder) }
    }

    fn abstractly() -> Self {
        let name = format!("daas-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let name = format!("@{name}").into();
        Self { socket: Listener::from_std(socket).unwrap(), name, _folder: None }
    }

    fn notifier(&self, more: &[(&str, &str)]) -> Notifier {
        let var = |wanted: &str| match wanted {
            "NOTIFY_SOCKET" => Some(self.name.clone()),
            _ => more.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into()),
        };
        Notifier::new(var, 7)
    }

    async fn hears(&self) -> String {
        let mut buffer = [0; 512];
        let read = self.socket.recv(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }
}

#[tokio::test]
async fn from_what_is_awaited_to_the_end() {
    for manager in [Manager::at_a_path(), Manager::abstractly()] {
        let (readiness, stopping, stopped) = (Readiness::default(), CancellationToken::new(), CancellationToken::new());
        let (chain, node) = (readiness.awaits("chain"), readiness.awaits("node"));
        let mut running = JoinSet::new();
        let notifier = manager.notifier(&[]);
        running.spawn(notifier.clone().run(readiness.clone(), stopping.clone(), stopped.clone()));
        assert_eq!(manager.hears().await, "STATUS=waiting for chain, node");
        drop(chain);
        assert_eq!(manager.hears().await, "STATUS=waiting for node");
        drop(node);
        assert_eq!(manager.hears().await, "READY=1\nSTATUS=ready");
        notifier.status("joined\nas worker-1");
        assert_eq!(manager.hears().await, "STATUS=joined as worker-1");
        // Readiness is earned once: what is awaited later takes nothing back.
        let _end = readiness.awaits("its end");
        stopping.cancel();
        assert_eq!(manager.hears().await, "STOPPING=1\nSTATUS=stopping");
        stopped.cancel();
        running.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_at_half_the_interval() {
    let manager = Manager::at_a_path();
    let usec = WATCHDOG.as_micros().to_string();
    let notifier = manager.notifier(&[("WATCHDOG_USEC", &usec), ("WATCHDOG_PID", "7")]);
    let (readiness, stopped) = (Readiness::default(), CancellationToken::new());
    let node = readiness.awaits("node");
    let mut running = JoinSet::new();
    running.spawn(notifier.run(readiness, CancellationToken::new(), stopped.clone()));
    let mut heard = vec![manager.hears().await, manager.hears().await];
    heard.sort();
    assert_eq!(heard, [format!("EXTEND_TIMEOUT_USEC={usec}"), "STATUS=waiting for node".to_owned()]);
    let first = Instant::now();
    assert_eq!(manager.hears().await, format!("EXTEND_TIMEOUT_USEC={usec}"));
    assert_eq!(first.elapsed(), WATCHDOG / 2);
    drop(node);
    assert_eq!(manager.hears().await, "READY=1\nSTATUS=ready");
    for beats in 2..5 {
        assert_eq!(manager.hears().await, "WATCHDOG=1");
        assert_eq!(first.elapsed(), WATCHDOG / 2 * beats);
    }
    stopped.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[test]
fn a_watchdog_for_another_process_is_not_ours() {
    let manager = |more: &[(&str, &str)]| {
        let all = more.to_owned();
        let var = move |wanted: &str| all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into());
        Notifier::new(var, 7).watchdog
    };
    assert_eq!(manager(&[("WATCHDOG_USEC", "30000000")]), Some(WATCHDOG));
    assert_eq!(manager(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "7")]), Some(WATCHDOG));
    assert_eq!(manager(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "8")]), None);
    assert_eq!(manager(&[("WATCHDOG_USEC", "0")]), None);
    assert_eq!(manager(&[("WATCHDOG_USEC", "soon")]), None);
}

#[tokio::test]
async fn without_a_manager_nothing_is_told_and_the_task_stays() {
    for socket in [None, Some("vsock:2:9999"), Some("")] {
        let notifier = Notifier::new(|name| socket.filter(|_| name == "NOTIFY_SOCKET").map(OsString::from), 7);
        assert!(notifier.socket.is_none());
        let stopped = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(notifier.run(Readiness::default(), CancellationToken::new(), stopped.clone()));
        tokio::task::yield_now().await;
        assert!(running.try_join_next().is_none(), "its end would be the process's");
        stopped.cancel();
        running.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_manager_that_is_gone_ends_nothing() {
    let manager = Manager::at_a_path();
    let notifier = manager.notifier(&[]);
    drop(manager);
    notifier.stopping();
}
