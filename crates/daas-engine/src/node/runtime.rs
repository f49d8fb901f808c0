//! A containerd with a configuration, sockets and images of its own.

use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::{Layout, NodeError, POLL, SHOWN, cleanup, config};
use crate::build::{Binaries, Program};
use crate::command;
use crate::process::{Process, ProcessState};

const RUNTIME_LIMIT: Duration = Duration::from_mins(1);

/// Starts it, and gives it these images once it answers.
pub(crate) async fn start(layout: &Layout, images: &[PathBuf], binaries: &Binaries) -> Result<Process, NodeError> {
    config::write_containerd(layout, binaries)?;
    cleanup::forget_half_images(layout)?;
    let containerd = layout.process(Program::Containerd, 1, config::containerd_args(layout), binaries)?;
    wait(layout, &containerd).await?;
    let (ctr, socket) = (binaries.path(Program::Ctr), layout.runtime_socket().display().to_string());
    for image in images {
        let image = image.display().to_string();
        command::run(&ctr, &["-a", &socket, "-n", "k8s.io", "images", "import", &image]).await?;
    }
    Ok(containerd)
}

async fn wait(layout: &Layout, containerd: &Process) -> Result<(), NodeError> {
    let deadline = Instant::now() + RUNTIME_LIMIT;
    loop {
        let detail = match UnixStream::connect(layout.runtime_socket()).await {
            Ok(_) => return Ok(()),
            Err(e) => e.to_string(),
        };
        let failed = matches!(containerd.state(), ProcessState::Failed { .. });
        if failed || Instant::now() >= deadline {
            return Err(NodeError::NotReady {
                component: containerd.name(),
                limit: RUNTIME_LIMIT,
                detail,
                log: containerd.last_output(SHOWN),
            });
        }
        sleep(POLL).await;
    }
}
