//! What few clients ask for.

use super::corpus::Asked;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

/// Headers that some answer must have had, or nothing was compared.
pub(super) const HEADERS: [&str; 7] =
    ["audit-id", "content-encoding", "etag", "retry-after", "vary", "warning", "x-kubernetes-pf-flowschema-uid"];

const TABLE: &str = "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1";
const PODS: &str = "/api/v1/namespaces/tests/pods";
const FORMATS: [&str; 10] = [
    "application/json",
    "application/yaml",
    "application/cbor",
    "application/cbor, application/json;q=0.5",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
    TABLE,
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "text/html",
];
/// Paths that say something of their own.
const PATHS: [&str; 24] = [
    "/",
    "/api",
    "/api/v1",
    "/apis",
    "/version",
    "/healthz",
    "/livez?verbose",
    "/readyz?verbose&exclude=etcd",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/api/v1",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
    "/api/v1/nodes",
    "/api/v1/namespaces/tests/endpoints",
    "/api/v1/namespaces/tests/pods?limit=1",
    "/api/v1/namespaces/tests/configmaps?limit=1",
    "/api/v1/configmaps?labelSelector=a%3Db&fieldSelector=metadata.name%3Dx",
    "/api/v1/namespaces/tests/configmaps?continue=bad",
    "/api/v1/namespaces/tests/configmaps?resourceVersion=99999999999",
    "/api/v1/namespaces/tests/pods/none",
    "/api/v1/namespaces/tests/pods/web/log?tailLines=1",
    "/apis/nobody.example/v1/things",
    "/no/such/path?x=%2F%20&y",
];
const METHODS: [Method; 4] = [Method::HEAD, Method::OPTIONS, Method::PUT, Method::TRACE];

/// All of them, over both versions of HTTP.
pub(super) fn all() -> Vec<Asked> {
    [Version::HTTP_11, Version::HTTP_2].into_iter().flat_map(over).collect()
}

fn over(version: Version) -> Vec<Asked> {
    let ask = |method: Method, path: &str, headers: &[(&'static str, &'static str)], body: Bytes| {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Asked {
            version,
            method,
            path: path.to_owned(),
            headers: headers.iter().map(header).collect::<HeaderMap>(),
            body,
        }
    };
    let get = |path: &str, headers: &[(&'static str, &'static str)]| ask(Method::GET, path, headers, Bytes::new());
    let mut asked: Vec<Asked> = FORMATS.into_iter().map(|format| get(PODS, &[("accept", format)])).collect();
    asked.extend(PATHS.into_iter().map(|path| get(path, &[])));
    asked.extend(["/openapi/v2", "/openapi/v3/api/v1", PODS].map(|path| get(path, &[("accept-encoding", "gzip")])));
    let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    asked.extend(["/api", "/apis"].map(|path| get(path, &[("accept", discovery)])));
    asked.push(get("/apis", &[("accept", discovery), ("if-none-match", "\"none\"")]));
    asked.push(get("/openapi/v2", &[("accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")]));
    asked.extend(METHODS.into_iter().map(|method| ask(method, PODS, &[], Bytes::new())));
    asked.push(get(&format!("{PODS}?watch=true&resourceVersion=0"), &[("accept", TABLE)]));
    let create = |kind: &'static str, body: &'static str| {
        let path = "/api/v1/namespaces/tests/configmaps?fieldValidation=Warn";
        ask(Method::POST, path, &[("content-type", kind)], Bytes::from_static(body.as_bytes()))
    };
    asked.push(create(
        "application/json",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"unknown":1}"#,
    ));
    asked.push(create("application/json", "{"));
    asked.push(create("application/xml", "<a/>"));
    asked.push(create("application/yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: { name: y }\n"));
    let large = Bytes::from(vec![b' '; (3 << 20) + 1]);
    asked.push(ask(
        Method::POST,
        "/api/v1/namespaces/tests/configmaps",
        &[("content-type", "application/json")],
        large,
    ));
    asked
}
