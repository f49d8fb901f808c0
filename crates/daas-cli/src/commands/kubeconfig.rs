use super::rights::{self, Holder};
use crate::cli::KubeconfigArgs;
use crate::context::Context;
use crate::kubeconfig::{Access, render};
use crate::output::done;
use daas_chain::clock;
use daas_client::{ClusterInfo, SealFile, VerifiedMaster, write_private};
use daas_types::{ErrorCode, Problem};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Writes or prints a kubeconfig. The master is verified first, because from then on stock clients trust the CA in it.
pub(crate) async fn run(context: &Context, args: &KubeconfigArgs) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    let (seal_path, seal) = Context::seal(args.seal.as_deref(), &cluster)?;
    let holder = Holder::of(&cluster, &seal).await?;
    let mut master = VerifiedMaster::connect(&cluster, &cluster.masters().await?, clock::now()).await?;
    let namespace = holder.namespace();
    let yaml = if args.static_token {
        let token = token_file(&seal_path, &seal)?;
        context.output.note(format!("the token file is {}", token.display()));
        render(&cluster.join, Access::TokenFile(&token), namespace.as_deref())?
    } else {
        with_plugin(&cluster, &context.cluster_path(), &seal_path, namespace.as_deref())?
    };
    rights::settle(context.output, &mut master, &holder, &seal).await;
    match &args.output {
        None => context.output.raw(&yaml),
        Some(path) => {
            write(path, &yaml)?;
            let text = done(format!("{}: `kubectl --kubeconfig {0} get pods`", path.display()));
            context.output.result(text, &json!({ "kubeconfig": path, "namespace": namespace }));
        }
    }
    Ok(())
}

/// A kubeconfig whose tokens this program mints.
pub(crate) fn with_plugin(
    cluster: &ClusterInfo,
    cluster_path: &Path,
    seal: &Path,
    namespace: Option<&str>,
) -> Result<String, Problem> {
    let program = std::env::current_exe().map_err(Problem::of(ErrorCode::Internal))?;
    render(&cluster.join, Access::Exec { program: &program, cluster: cluster_path, seal }, namespace)
}

/// Written for its owner alone: it names the way to a token.
pub(crate) fn write(path: &Path, yaml: &str) -> Result<(), Problem> {
    write_private(path, yaml.as_bytes())
        .map_err(|error| Problem::new(ErrorCode::StateUnreadable, format!("{}: {error}", path.display())))
}

/// Writes the Seal's secret beside its file.
pub(crate) fn token_file(seal_path: &Path, seal: &SealFile) -> Result<PathBuf, Problem> {
    let path = seal_path.with_extension("token");
    write(&path, &seal.secret().expose_hex())?;
    Ok(path)
}
