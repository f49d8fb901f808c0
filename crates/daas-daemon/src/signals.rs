use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGINT or SIGTERM cancels. Call it inside the runtime, before anything is started.
pub fn shutdown_on_signals(tasks: &mut tokio::task::JoinSet<()>) -> std::io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = shutdown.clone();
    tasks.spawn(async move {
        tokio::select! {
            _ = int.recv() => tracing::info!("interrupted"),
            _ = term.recv() => tracing::info!("asked to terminate"),
        }
        cancel.cancel();
    });
    Ok(shutdown)
}
