//! Recording the corpus anew: `DAAS_RECORD=FILE cargo test -p daas-tests --test e2e stock_clients`. The clients then talk to
//! `tests/corpus/record.mjs`, which talks to the gateway; and two of Kubernetes' controllers join them.

use super::SOON;
use crate::support::cluster::Cluster;
use crate::support::commands::{Stream, command, run, succeed};
use crate::support::others::Kubectl;
use crate::support::person::Person;
use crate::support::pods::NAMESPACE;
use anyhow::{Context as _, Result};
use daas_client::write_private;
use daas_engine::build::{self, Program};
use kube::config::Kubeconfig;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// What the controllers are given to make themselves heard in.
const CONTROLLERS: Duration = Duration::from_secs(20);

/// The recorder, as long as it is held, and someone who talks through it.
pub(super) struct Recorder {
    pub(super) person: Person,
    _program: Stream,
}

/// Starts one if a file for it is named.
pub(super) async fn start(cluster: &Cluster, person: &Person) -> Result<Option<Recorder>> {
    let Some(out) = std::env::var_os("DAAS_RECORD") else { return Ok(None) };
    let folder = cluster.folder();
    let (certificate, key) = (folder.join("recorder.crt"), folder.join("recorder.key"));
    let mut make = command("openssl", &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    make.args(["-nodes", "-days", "2", "-subj", "/CN=recorder"]);
    make.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    make.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
    succeed(make).await?;
    let join = cluster.info()?.join;
    let ca = folder.join("recorded-ca.crt");
    std::fs::write(&ca, &join.ca)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/record.mjs");
    let mut program = command("node", &[]);
    program.arg(script).arg(&join.endpoint).arg(ca).arg(&certificate).arg(key).arg(out);
    let mut program = Stream::start(program)?;
    let port = program.until("", SOON).await?;
    let mut kubeconfig = Kubeconfig::read_from(person.kubeconfig())?;
    let server = kubeconfig.clusters.first_mut().and_then(|named| named.cluster.as_mut()).context("no cluster")?;
    server.server = Some(format!("https://127.0.0.1:{}", port.trim()));
    server.certificate_authority_data = None;
    server.certificate_authority = Some(certificate.display().to_string());
    let person = cluster.person("recorded");
    write_private(person.kubeconfig(), &serde_json::to_vec(&kubeconfig)?)?;
    Ok(Some(Recorder { person, _program: program }))
}

/// What people type on a usual day.
const TOUR: &str = "\
api-versions
cluster-info
get all -A
get nodes,namespaces,events -A -o wide
get pods -A -o json
get pods -l app=web -o yaml
get pod web -o jsonpath={.status.podIP}
get configmaps --chunk-size=1 -A
get clusterroles --sort-by=.metadata.name
get nothing
describe node operator
describe pod web
logs web --tail=1 --timestamps
events
auth can-i --list
auth can-i create pods
create deployment day --image=local/busybox:1 --replicas=0
set env deployment/day a=b
rollout history deployment/day
rollout restart deployment/day
rollout undo deployment/day
scale deployment/day --replicas=0
expose deployment/day --port=80
label deployment day x=y
annotate deployment day x=y
autoscale deployment day --min=1 --max=2
create configmap day --from-literal=a=b --dry-run=server
create secret generic day --from-literal=a=b
create serviceaccount day
create role day --verb=get --resource=pods
create rolebinding day --role=day --serviceaccount=tests:day
create quota day --hard=pods=50
create job day --image=local/busybox:1
create cronjob day --image=local/busybox:1 --schedule=@hourly
create ingress day --rule=example.org/*=day:80
create poddisruptionbudget day --selector=x=y --min-available=0
explain deployment.spec
get deployments,jobs,secrets,roles,rolebindings,quota,ingresses,poddisruptionbudgets,horizontalpodautoscalers
get endpoints,endpointslices
cordon operator
uncordon operator
wait deployment/day --for=condition=Available --timeout=5s
delete deployment,service,job,secret,serviceaccount,role,rolebinding,quota,poddisruptionbudget,horizontalpodautoscaler day
delete configmap day --ignore-not-found
get --raw /openapi/v3/apis/apps/v1
get --raw /apis/apps/v1
get --raw /readyz?verbose
get --raw /version";

// === impl Recorder ===

impl Recorder {
    /// Types all of it; what is refused is as good a request.
    pub(super) async fn tour(&self, kubectl: &Kubectl<'_>) -> Result<()> {
        for line in TOUR.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            run(kubectl.command(&[&["-n", NAMESPACE], &words[..]].concat())).await?;
        }
        Ok(())
    }

    /// Lets a scheduler and a controller manager work for a while.
    pub(super) async fn controllers(&self) -> Result<()> {
        let programs = build::find(&build::default_cache_dir()?).await?.context("run `make engine`")?;
        let config = format!("--kubeconfig={}", self.person.kubeconfig().display());
        let flags = [config.as_str(), "--secure-port=0", "--leader-elect-resource-namespace=tests"];
        let mut running = Vec::new();
        for program in [Program::KubeScheduler, Program::KubeControllerManager] {
            let mut command = self.person.run(&programs.path(program), &flags);
            running.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        }
        tokio::time::sleep(CONTROLLERS).await;
        for mut program in running {
            program.start_kill()?;
            program.wait().await?;
        }
        Ok(())
    }
}
