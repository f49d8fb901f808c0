//! Servers at sockets of this machine.

use std::path::Path;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// Serves all who connect, until what it returns is dropped.
pub(crate) fn serve<F>(socket: &Path, answer: impl Fn(UnixStream) -> F + Send + 'static) -> JoinSet<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = UnixListener::bind(socket).unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(answer(stream));
            while connections.try_join_next().is_some() {}
        }
    });
    task
}
