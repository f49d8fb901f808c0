//! What runs the node's containers.

use daas_engine::ContainerRuntime;
use daas_types::{ErrorCode, Problem};
use std::path::Path;

/// By `container_runtime` and `container_runtime_endpoint`.
pub(super) fn named(named: &str, endpoint: Option<&str>) -> Result<ContainerRuntime, Problem> {
    let invalid = |cause: String| Err(Problem::new(ErrorCode::ConfigInvalid, cause));
    let Some(endpoint) = endpoint else {
        return Ok(if named == "docker" { ContainerRuntime::Docker } else { ContainerRuntime::Own });
    };
    if named == "docker" {
        return invalid(
            "container_runtime_endpoint is not for container_runtime: docker; leave one of them out".to_owned(),
        );
    }
    let path = Path::new(endpoint.strip_prefix("unix://").unwrap_or(endpoint));
    if path.is_absolute() && path.file_name().is_some() {
        return Ok(ContainerRuntime::Socket(path.to_owned()));
    }
    invalid(format!(
        "container_runtime_endpoint is {endpoint:?}, not a socket such as unix:///run/containerd/containerd.sock"
    ))
}
