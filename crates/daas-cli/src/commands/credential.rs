use crate::cli::CredentialArgs;
use crate::context::Context;
use daas_client::exec;
use daas_types::Problem;
use daas_types::pop::Usage;

/// kubectl's exec plugin. Nothing but the credential goes to standard output.
pub(crate) async fn run(context: &Context, args: &CredentialArgs) -> Result<(), Problem> {
    let cluster = context.cluster()?;
    let (path, seal) = Context::seal(args.seal.as_deref(), &cluster)?;
    let info = std::env::var("KUBERNETES_EXEC_INFO").ok();
    // Verdicts lie beside the Seal: whoever could forge one could read the Seal.
    let verdicts = path.with_file_name("verdicts");
    let credential = exec::credential(info.as_deref(), &cluster, &seal, Usage::User, &verdicts).await?;
    context.output.raw(&credential);
    Ok(())
}
