//! A container runtime that is somebody else's, in which K3s runs pods where the owner wants that. It is only asked for what K3s has
//! in it, and that is taken away with the node.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;

use super::cri::Cri;
use super::docker::Docker;
use crate::node::NodeError;
use crate::settings::ContainerRuntime;

/// What is asked at once: all containers of a node of some hundred pods, so that their grace is one.
const AT_ONCE: usize = 512;

/// Why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The machine's Docker.
    #[error("Docker at {}: {reason}", socket.display())]
    Docker {
        /// Its socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A containerd, or another that speaks CRI.
    #[error("the container runtime at {}: {reason}", socket.display())]
    Cri {
        /// Its socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// One of them, by its socket.
#[derive(Clone, Debug)]
pub(crate) enum Lent {
    /// The machine's Docker.
    Docker(Docker),
    /// What speaks CRI.
    Cri(Cri),
}

/// What is done with all of its pods.
#[derive(Clone, Copy)]
enum Task {
    Stop(Duration),
    Remove,
}

// === impl Lent ===

impl Lent {
    /// None where K3s brings its own.
    pub(crate) fn of(runtime: &ContainerRuntime) -> Option<Self> {
        match runtime {
            ContainerRuntime::Own => None,
            ContainerRuntime::Docker => Some(Self::Docker(Docker::of_machine())),
            ContainerRuntime::Socket(socket) => Some(Self::Cri(Cri::at(socket))),
        }
    }

    /// Refuses a machine where it does not answer.
    pub(crate) async fn answers(&self) -> Result<(), NodeError> {
        Ok(self.pods().await.map(drop)?)
    }

    /// Refuses a machine where it does not answer, or has pods: a kubelet takes all that it finds for its own, and ends them.
    pub(crate) async fn is_free(&self) -> Result<(), NodeError> {
        match self.pods().await?.len() {
            0 => Ok(()),
            count => Err(self.foreign(count)),
        }
    }

    /// Stops all pods' containers: SIGTERM, `grace`, SIGKILL.
    pub(crate) async fn stop_pods(&self, grace: Duration) -> Result<(), RuntimeError> {
        let containers = match self {
            Self::Docker(docker) => docker.pods().await?,
            Self::Cri(cri) => cri.containers().await?,
        };
        self.each(containers, Task::Stop(grace)).await
    }

    /// Removes all pods.
    pub(crate) async fn remove_pods(&self) -> Result<(), RuntimeError> {
        self.each(self.pods().await?, Task::Remove).await?;
        match self.pods().await?.len() {
            0 => Ok(()),
            left => Err(self.error(format!("{left} pods, or containers of pods, stay"))),
        }
    }

    async fn pods(&self) -> Result<Vec<String>, RuntimeError> {
        match self {
            Self::Docker(docker) => docker.pods().await,
            Self::Cri(cri) => cri.sandboxes().await,
        }
    }

    /// Does it to each, some at a time, to all of them whatever is answered for one.
    async fn each(&self, ids: Vec<String>, task: Task) -> Result<(), RuntimeError> {
        let (mut running, mut result) = (JoinSet::new(), Ok(()));
        for id in ids {
            if running.len() == AT_ONCE {
                result = result.and(self.ended(&mut running).await);
            }
            let lent = self.clone();
            running.spawn(async move { lent.does(&id, task).await });
        }
        while !running.is_empty() {
            result = result.and(self.ended(&mut running).await);
        }
        result
    }

    async fn does(&self, id: &str, task: Task) -> Result<(), RuntimeError> {
        match (self, task) {
            (Self::Docker(docker), Task::Stop(grace)) => docker.stop(id, grace).await,
            (Self::Docker(docker), Task::Remove) => docker.remove(id).await,
            (Self::Cri(cri), Task::Stop(grace)) => cri.stop(id, grace).await,
            (Self::Cri(cri), Task::Remove) => cri.remove(id).await,
        }
    }

    async fn ended(&self, running: &mut JoinSet<Result<(), RuntimeError>>) -> Result<(), RuntimeError> {
        match running.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(self.error(error.to_string())),
            None => Ok(()),
        }
    }

    fn foreign(&self, count: usize) -> NodeError {
        match self {
            Self::Docker(docker) => NodeError::ForeignPods {
                runtime: format!("Docker at {}", docker.socket.display()),
                found: format!("{count} containers of pods"),
                fix: "docker rm -f $(docker ps -aq --filter label=io.kubernetes.pod.uid)".to_owned(),
            },
            Self::Cri(cri) => NodeError::ForeignPods {
                runtime: format!("the container runtime at {}", cri.socket.display()),
                found: format!("{count} pods"),
                fix: format!("crictl -r unix://{} rmp -fa", cri.socket.display()),
            },
        }
    }

    fn error(&self, reason: String) -> RuntimeError {
        match self {
            Self::Docker(Docker { socket }) => RuntimeError::Docker { socket: socket.clone(), reason },
            Self::Cri(Cri { socket }) => RuntimeError::Cri { socket: socket.clone(), reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_testkit::docker::ScriptedDocker;

    #[tokio::test]
    async fn pods_are_stopped_and_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let scripted = ScriptedDocker::start(&socket, 40, 2);
        let docker = Lent::Docker(Docker::at(&socket));
        let said = docker.is_free().await.unwrap_err().to_string();
        assert!(said.contains("docker.sock has 40 containers of pods") && said.contains(": docker rm -f $("), "{said}");
        docker.stop_pods(Duration::from_secs(7)).await.unwrap();
        assert_eq!((scripted.pods().len(), scripted.running()), (40, 2), "the others run on");
        assert!(scripted.asked().iter().any(|line| line.ends_with("/stop?t=7")));
        docker.remove_pods().await.unwrap();
        assert_eq!((scripted.pods().len(), scripted.running()), (0, 2));
        docker.is_free().await.unwrap();
        // Again: there is nothing to do.
        docker.stop_pods(Duration::ZERO).await.unwrap();
        docker.remove_pods().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_no_machine_for_pods() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let docker = Lent::Docker(Docker::at(&socket));
        let said = docker.is_free().await.unwrap_err().to_string();
        assert!(said.contains("docker.sock"), "{said}");
        let stays = ScriptedDocker::start(&socket, 1, 0);
        stays.refuses();
        let said = docker.remove_pods().await.unwrap_err().to_string();
        assert!(said.contains("409 removal is in progress"), "{said}");
    }
}
