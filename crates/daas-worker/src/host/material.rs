//! What the master answers and the owner wants, as the engine takes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_engine::{Cidr, JoinMaterial, Taint};
use daas_types::api::RegisterWorkerResponse;
use daas_types::join::JoinFile;
use daas_types::{ErrorCode, NodeMarks, NodeTaint, Problem};

pub(super) fn join_material(join: &JoinFile, answer: &RegisterWorkerResponse) -> Result<JoinMaterial, Problem> {
    let settings = &answer.cluster;
    let bad = |what: &str, text: &str| Problem::new(ErrorCode::NodeFailed, format!("the master's {what} is `{text}`"));
    let cidr = |text: &str| text.parse::<Cidr>().map_err(|_| bad("cluster_cidr", text));
    Ok(JoinMaterial {
        // The pinned one, whatever the answer says.
        server_ca_pem: join.ca.clone(),
        kubelet_client_ca_pem: pem(&answer.kubelet_client_ca, "kubelet_client_ca")?,
        cluster_cidr: cidr(&settings.cluster_cidr)?,
        cluster_dns: settings.cluster_dns.parse().map_err(|_| bad("cluster_dns", &settings.cluster_dns))?,
        domain: settings.cluster_domain.clone(),
    })
}

pub(super) fn taints(marks: &NodeMarks) -> Vec<Taint> {
    let taints = marks.taints().iter();
    let taint =
        |t: &NodeTaint| Taint { key: t.key.clone(), value: t.value.clone(), effect: t.effect.name().to_owned() };
    taints.map(taint).collect()
}

pub(super) fn pem(base64: &str, field: &str) -> Result<String, Problem> {
    let text = STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| text.contains("-----BEGIN CERTIFICATE-----"))
        .ok_or_else(|| Problem::new(ErrorCode::NodeFailed, format!("the master's {field} is not a certificate")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_taken_for_certificates() {
        assert!(pem(&STANDARD.encode("-----BEGIN CERTIFICATE-----\n"), "x").is_ok());
        for bad in ["", "%%", &STANDARD.encode("-----BEGIN PRIVATE KEY-----")] {
            assert!(pem(bad, "x").unwrap_err().cause.contains("x is not a certificate"));
        }
    }
}
