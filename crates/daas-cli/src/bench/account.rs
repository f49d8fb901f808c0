//! Someone whom the API server itself lets in, on loopback, without the gateway: a service account in the benchmarks' namespace.

use super::{API_PORT, NAMESPACE};
use crate::stage::Stage;
use zeroize::Zeroizing;

const MANIFEST: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: { name: peer, namespace: bench }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: peer, namespace: bench }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ROLE }
subjects: [{ kind: ServiceAccount, name: peer, namespace: bench }]
";

/// Where it asks, whom it trusts (PEM), and its token.
pub(super) struct Account {
    pub(super) endpoint: String,
    pub(super) ca: String,
    pub(super) token: Zeroizing<String>,
}

// === impl Account ===

impl Account {
    /// With this ClusterRole in the namespace, which is there. The API server may not know of it at once.
    pub(super) async fn make(stage: &Stage, role: &str) -> anyhow::Result<Self> {
        let operator = &stage.operator;
        operator.apply(&MANIFEST.replace("ROLE", role)).await?;
        let token = Zeroizing::new(operator.get(&["-n", NAMESPACE, "create", "token", "peer"]).await?);
        let ca = std::fs::read_to_string(stage.state.master().join("pki/server-ca.crt"))?;
        Ok(Self { endpoint: format!("https://127.0.0.1:{API_PORT}"), ca, token })
    }
}
