//! What the demo's people deploy.

/// Namespace of the operator's own pods.
pub(super) const NAMESPACE: &str = "demo";

/// Two web servers that may run on a stranger's node, spread over the nodes, behind a Service.
pub(super) const WEB: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: demo }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: demo }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      tolerations:
        - { key: node-restriction.kubernetes.io/daas-owner, operator: Exists, effect: NoSchedule }
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: { matchLabels: { app: web } }
      containers:
        - name: web
          image: local/busybox:1
          imagePullPolicy: Never
          command: [/bin/sh, -c, "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: demo }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
"#;

/// A pod that asks the API server, with the service account the kubelet gave it.
pub(super) const CALLER: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: caller, namespace: demo }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [{ kind: ServiceAccount, name: default, namespace: demo }]
---
apiVersion: v1
kind: Pod
metadata: { name: caller, namespace: demo }
spec:
  restartPolicy: Never
  tolerations:
    - { key: node-restriction.kubernetes.io/daas-owner, operator: Exists, effect: NoSchedule }
  containers:
    - name: caller
      image: local/kubectl:1
      imagePullPolicy: Never
      command: [/bin/kubectl, get, pods]
";

/// A developer's pod: as the restricted profile wants it.
pub(super) const DEVELOPER: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: mine }
spec:
  terminationGracePeriodSeconds: 1
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } }
  containers:
    - name: mine
      image: local/busybox:1
      imagePullPolicy: Never
      command: [/bin/sleep, "3600"]
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
"#;
