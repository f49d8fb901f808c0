use super::*;

/// Every plural of Kubernetes' core v1, as its discovery lists them.
const CORE_V1: [&str; 17] = [
    "bindings",
    "componentstatuses",
    "configmaps",
    "endpoints",
    "events",
    "limitranges",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "services",
];

#[test]
fn nothing_of_ours_is_a_kubernetes_resource() {
    for plural in CORE_V1 {
        for path in [
            format!("/api/v1/{plural}"),
            format!("/api/v1/watch/{plural}"),
            format!("/api/v1/namespaces/default/{plural}"),
            format!("/api/v1/namespaces/default/{plural}/heartbeat"),
        ] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
                assert_eq!(Endpoint::of(&method, &path), None, "{method} {path}");
            }
        }
        // POST to a named object exists for subresources only.
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
            assert_eq!(Endpoint::of(&method, &format!("/api/v1/{plural}/heartbeat")), None);
            assert_eq!(Endpoint::of(&method, &format!("/api/v1/{plural}/status")), None);
        }
    }
    for path in
        ["/", "/api", "/api/v1", "/apis", "/version", "/healthz", "/readyz", "/livez", "/metrics", "/openapi/v3"]
    {
        assert_eq!(Endpoint::of(&Method::GET, path), None, "{path}");
    }
}

#[test]
fn only_the_exact_spelling_is_ours() {
    for path in [
        "/api/v1/attestation/",
        "//api/v1/attestation",
        "/api/v1/./attestation",
        "/api/v1/Attestation",
        "/api/v1/%61ttestation",
        "/api/v1/attestation;x",
    ] {
        assert_eq!(Endpoint::of(&Method::POST, path), None, "{path}");
    }
    assert_eq!(Endpoint::of(&Method::POST, "/api/v1/attestation"), Some(Endpoint::Attest));
    assert_eq!(Endpoint::of(&Method::GET, "/api/v1/nodes/heartbeat"), None);
    assert_eq!(Endpoint::of(&Method::GET, "/api/v1/security-context"), Some(Endpoint::SecurityContext));
    assert_eq!(Endpoint::of(&Method::GET, "/kubectl/config"), Some(Endpoint::KubectlConfig));
    for path in ["/kubectl/config/", "/kubectl", "/api/v1/security-contexts", "/api/v1/security-context/"] {
        assert_eq!(Endpoint::of(&Method::GET, path), None, "{path}");
    }
    assert_eq!(Endpoint::of(&Method::POST, "/api/v1/nodes/heartbeat"), Some(Endpoint::Heartbeat));
}
