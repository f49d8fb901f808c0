//! What the stories run in their clusters.

use super::person::Person;
use anyhow::{Result, ensure};

/// A namespace of the tests' own.
pub(crate) const NAMESPACE: &str = "tests";

/// Makes the namespace. Its service account comes a moment later, and pods need it.
pub(crate) async fn namespace(operator: &Person) -> Result<()> {
    operator.get(&["create", "namespace", NAMESPACE]).await?;
    let account = ["-n", NAMESPACE, "wait", "serviceaccount/default", "--for=create", "--timeout=20s"];
    operator.get(&account).await.map(drop)
}

/// A web server that says its own name, on the node named.
pub(crate) fn web(name: &str, node: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{ name: {name}, namespace: {NAMESPACE}, labels: {{ app: {name} }} }}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {{ kubernetes.io/hostname: {node} }}
  tolerations:
    - {{ key: node-restriction.kubernetes.io/daas-owner, operator: Exists, effect: NoSchedule }}
  containers:
    - name: web
      image: local/busybox:1
      imagePullPolicy: Never
      command: [/bin/sh, -c, "mkdir -p /www && hostname > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www"]
      readinessProbe: {{ httpGet: {{ path: /, port: 8080 }}, periodSeconds: 1 }}
"#
    )
}

/// Starts web servers and waits until they serve.
pub(crate) async fn serve(operator: &Person, pods: &[(&str, &str)]) -> Result<()> {
    for (name, node) in pods {
        operator.apply(&web(name, node), &[]).await?;
    }
    for (name, _) in pods {
        ready(operator, name).await?;
    }
    Ok(())
}

/// Waits until a pod serves.
pub(crate) async fn ready(operator: &Person, pod: &str) -> Result<()> {
    let wanted = format!("pod/{pod}");
    let wait = ["-n", NAMESPACE, "wait", &wanted, "--for=condition=Ready", "--timeout=60s"];
    let Err(error) = operator.get(&wait).await else { return Ok(()) };
    let told = operator.get(&["-n", NAMESPACE, "describe", "pod", pod]).await;
    Err(error.context(told.unwrap_or_else(|error| error.to_string())))
}

/// A field of a pod.
pub(crate) async fn field(operator: &Person, pod: &str, path: &str) -> Result<String> {
    operator.get(&["-n", NAMESPACE, "get", "pod", pod, &format!("-o=jsonpath={path}")]).await
}

/// Which pods and containers these are, and since when they run; none was restarted.
pub(crate) async fn identities<P: AsRef<str>>(operator: &Person, pods: &[P]) -> Result<Vec<String>> {
    let path = "{.metadata.uid} {.status.containerStatuses[0].containerID} \
                {.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].restartCount}";
    let mut all = Vec::new();
    for pod in pods {
        let identity = field(operator, pod.as_ref(), path).await?;
        ensure!(identity.ends_with(" 0"), "the pod {} was restarted: {identity}", pod.as_ref());
        all.push(identity);
    }
    Ok(all)
}
