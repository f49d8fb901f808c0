//! What a real API server, disk and network add to the ways in which gateways were broken. The others are in
//! `crates/daas-gateway/tests/it/items/`; `docs/testing.md` has them all.

use crate::support::cluster::Cluster;
use crate::support::commands::succeed;
use crate::support::{processes, scenario, step};
use anyhow::{Context as _, Result, ensure};
use daas_chain::clock;
use daas_client::SealFile;
use daas_types::pop::Usage;
use kube::{Client, Config};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(15);
/// Nothing of ours that could hold a credential is larger.
const LARGEST: u64 = 32 << 20;

#[test]
fn items_36_39_and_40_on_a_real_cluster() {
    scenario("around the gateway", Duration::from_mins(4), async {
        let cluster = Cluster::up().await?;
        let seal = SealFile::load(&cluster.state().join("operator-seal.json"))?;
        let token = seal.mint(Usage::User, clock::now())?.to_string();
        let port = api_port(&cluster)?;
        step("item_39_nobody_is_anonymous", item_39_nobody_is_anonymous(port)).await?;
        step("item_40_the_api_server_is_no_way_around", item_40_the_api_server_is_no_way_around(port, &token)).await?;
        step("item_36_no_credential_is_left_anywhere", item_36_no_credential_is_left_anywhere(&cluster, &seal, &token))
            .await?;
        cluster.finish().await
    });
}

/// The port that no tenant may use.
fn api_port(cluster: &Cluster) -> Result<u16> {
    let pid = processes::find("kube-apiserver", &cluster.state()).context("the API server does not run")?;
    let line = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline"))?).into_owned();
    let port = line.split('\0').find_map(|word| word.strip_prefix("--secure-port="));
    port.context("no port in the API server's command line")?.parse().context("its port")
}

/// What the API server itself answers, without the gateway, to these headers.
async fn directly(port: u16, path: &str, headers: &[(&str, &str)]) -> Result<u16> {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.accept_invalid_certs = true;
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::try_from(config)?;
    match timeout(SOON, client.request_text(request.body(Vec::new())?)).await.context("no answer")? {
        Ok(_) => Ok(200),
        Err(kube::Error::Api(status)) => Ok(status.code),
        Err(error) => Err(error.into()),
    }
}

async fn item_39_nobody_is_anonymous(port: u16) -> Result<()> {
    let forged = [("x-remote-user", "system:admin"), ("x-remote-group", "system:masters")];
    for path in ["/api", "/apis", "/version", "/healthz", "/livez", "/readyz", "/metrics", "/openapi/v2"] {
        for headers in [&[][..], &forged, &[("impersonate-user", "system:admin")], &[("authorization", "Bearer x")]] {
            let answer = directly(port, path, headers).await?;
            ensure!(answer == 401, "{path} with {headers:?}: {answer}");
        }
    }
    Ok(())
}

async fn item_40_the_api_server_is_no_way_around(port: u16, token: &str) -> Result<()> {
    // What opens the gateway opens nothing there.
    let answer = directly(port, "/api", &[("authorization", &format!("Bearer {token}"))]).await?;
    ensure!(answer == 401, "a Seal's token was answered with {answer}");
    let mut hostname = Command::new("hostname");
    hostname.arg("-I");
    let addresses = succeed(hostname).await?;
    let others: Vec<IpAddr> = addresses.split_whitespace().filter_map(|address| address.parse().ok()).collect();
    ensure!(!others.is_empty(), "this machine has no address that a tenant could reach");
    for address in others {
        let reached = timeout(SOON, TcpStream::connect((address, port))).await.context("no answer")?;
        let refused = reached.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        ensure!(refused, "{address}:{port}: {reached:?}");
    }
    Ok(())
}

async fn item_36_no_credential_is_left_anywhere(cluster: &Cluster, seal: &SealFile, token: &str) -> Result<()> {
    let secret = seal.secret().expose_hex().to_string();
    for bearer in [token, &secret] {
        cluster.ask(bearer).await?;
        // Refused ones are what programs like to speak of.
        ensure!(cluster.ask(&bearer[..bearer.len() - 1]).await.is_err(), "a part of a token was taken");
    }
    // What a token shares with no other: the end of its claims, and of its signature.
    let claims = token.rsplit_once('.').context("a token has two parts")?.0;
    let parts = [&token[token.len() - 32..], &claims[claims.len() - 20..], &secret[..32], &secret[32..63]];
    for part in parts {
        let said = processes::saying(part);
        ensure!(said.is_empty(), "in the arguments or the environment of {said:?}");
    }
    let mut files = Vec::new();
    collect(&cluster.state(), &mut files);
    ensure!(files.iter().any(|file| file.ends_with("logs/master.log")), "no log of the master among {files:?}");
    for file in files {
        let Ok(bytes) = fs::read(&file) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        // Who holds the Seal has its secret in files of its own.
        let own = file.file_name().is_some_and(|name| name.to_string_lossy().contains("seal"));
        let parts = if own { &parts[..2] } else { &parts[..] };
        ensure!(!parts.iter().any(|part| text.contains(part)), "a credential is in {}", file.display());
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            collect(&entry.path(), files);
        } else if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() <= LARGEST) {
            files.push(entry.path());
        }
    }
}
