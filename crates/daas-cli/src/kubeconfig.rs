//! The kubeconfig that shows a Seal. It holds no secret: either the exec plugin mints a token for each few minutes, or a
//! 0600 token file is named.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use daas_types::join::JoinFile;
use daas_types::{ErrorCode, Problem};
use serde_json::{Value, json};
use std::path::Path;

/// How kubectl gets its token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access<'a> {
    /// By running `program credential`, which verifies the master first.
    Exec { program: &'a Path, cluster: &'a Path, seal: &'a Path },
    /// From a file with the Seal's secret.
    TokenFile(&'a Path),
}

/// The file's YAML. `namespace` is the one kubectl works in when told no other.
pub(crate) fn render(join: &JoinFile, access: Access<'_>, namespace: Option<&str>) -> Result<String, Problem> {
    let name = name(join);
    let user = match access {
        Access::Exec { program, cluster, seal } => json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": text(program)?,
            "args": ["credential", "--cluster", text(cluster)?, "--seal", text(seal)?],
            "interactiveMode": "Never",
            "provideClusterInfo": true,
            "installHint": "k3s-daas mints the token this cluster asks for",
        }}),
        Access::TokenFile(file) => json!({ "tokenFile": text(file)? }),
    };
    let mut context = json!({ "cluster": name, "user": name });
    if let (Some(namespace), Value::Object(fields)) = (namespace, &mut context) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": {
            "server": join.endpoint,
            "certificate-authority-data": STANDARD.encode(&join.ca),
        }}],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": context }],
        "current-context": name,
    });
    serde_yaml_ng::to_string(&config).map_err(Problem::of(ErrorCode::Internal))
}

/// One name for cluster, user and context: the id's start, because an operator's name for it is not unique.
fn name(join: &JoinFile) -> String {
    let id = join.cluster.to_string();
    format!("daas-{}", id.trim_start_matches("0x").chars().take(12).collect::<String>())
}

fn text(path: &Path) -> Result<&str, Problem> {
    path.to_str().ok_or_else(|| {
        Problem::new(ErrorCode::StateUnreadable, format!("{}: a kubeconfig holds UTF-8 only", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join() -> JoinFile {
        let id = |n: u8| format!("0x{}", format!("{n:02x}").repeat(32));
        let file = json!({
            "version": 1, "genesis": daas_types::genesis::MAINNET, "rpc": "http://127.0.0.1:9000", "package": id(1),
            "cluster": id(2), "registry": id(3), "nautilus": id(4), "endpoint": "https://10.0.0.1:6443",
            "ca": "-----BEGIN CERTIFICATE-----\n",
        });
        JoinFile::parse(&file.to_string()).unwrap()
    }

    #[test]
    fn with_the_exec_plugin() {
        let access = Access::Exec {
            program: Path::new("/usr/bin/k3s-daas"),
            cluster: Path::new("/etc/join.json"),
            seal: Path::new("/home/a/seal.json"),
        };
        insta::assert_snapshot!(render(&join(), access, Some("t-0123")).unwrap());
    }

    #[test]
    fn with_a_token_file() {
        let access = Access::TokenFile(Path::new("/home/a/token"));
        insta::assert_snapshot!(render(&join(), access, None).unwrap());
    }
}
