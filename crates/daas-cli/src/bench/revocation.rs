//! How long after a slash the slashed staker still holds anything open.
//!
//! A staker of the admin tier with a node opens `kubectl get -w`, `kubectl exec` into a pod on the operator's node, and
//! the watches of its kubelet. Then a slash is proposed. The time runs from the moment a subscriber of the chain sees the
//! checkpoint with it to the moment the client sees the last of those end; the same counted from the checkpoint's own
//! timestamp stands beside it. The slash is cancelled, and it begins anew.
//!
//! The node's watches are opened by this program with the node's Seal, on a connection each, as its kubelet's are: a
//! worker stops for good when it is slashed, and joining it again twenty times would measure nothing but patience. That a
//! real kubelet is cut like this is a chapter of the demo.
//!
//! The peer is the same API server without the gateway, asked on loopback: a watch whose right is taken away by deleting
//! its `RoleBinding`.

mod peer;
mod report;
mod scene;
mod streams;

use super::NAMESPACE;
use crate::output::Output;
use crate::stage::Stage;
use clap::Args;
use daas_types::Problem;
use report::{Figures, Sample};
use scene::Scene;

/// Name of the result.
const NAME: &str = "revocation";
/// The pod that everything is opened on; it runs on the operator's node.
const POD: &str = "target";

/// Arguments of `bench revocation`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RevocationArgs {
    /// How often
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,
}

pub(super) async fn run(output: Output, args: &RevocationArgs) -> Result<(), Problem> {
    super::on_stage(output, NAME, async |stage| measure(stage, args.repetitions).await).await
}

async fn measure(stage: &Stage, repetitions: u32) -> anyhow::Result<Figures> {
    stage.up().await?;
    let scene = stage.step("a staker with a node, and a pod on the operator's node", Scene::set(stage)).await?;
    let mut samples = Vec::new();
    for number in 1..=repetitions {
        samples.push(stage.step(&format!("revocation {number}"), Box::pin(scene.once(number))).await?);
    }
    let peer = stage.step("the same without the gateway", peer::measure(stage)).await?;
    Ok(Figures::of(samples, peer))
}
