//! A node that is K3s' agent: it joins by itself, with a file that holds the Seal.

use super::{Admission, Host, MAX_PODS, Plan};
use crate::store::Store;
use daas_client::SealFile;
use daas_engine::{AgentConfig, k3s};
use daas_types::Problem;
use daas_types::join::JoinFile;

/// In the worker's own folder, where what is thrown away with the node's data does not lie.
const TOKEN: &str = "k3s-token";

impl Host {
    /// Writes down what the agent shows at its next start. What it was given by a former Seal is good for as long as it runs, so a
    /// renewed one is no reason to start it again. Does nothing where there is no agent.
    pub fn show(&self, store: &Store, join: &JoinFile, seal: &SealFile) -> Result<(), Problem> {
        if !self.engine.has_agents() {
            return Ok(());
        }
        let token = k3s::token(&join.ca, &seal.secret().expose_hex());
        store.write(TOKEN, token.as_bytes())
    }

    /// Takes away what an agent shows that is started now. One that runs goes on; one that is started waits for the file, which K3s
    /// does for four minutes before it ends and is started again, and the pods go on meanwhile.
    pub fn hide(&self, store: &Store) -> Result<(), Problem> {
        store.remove(TOKEN)
    }

    /// Starts the agent, unless it runs. One that was started otherwise is started again, pods go on: it keeps to the gateway and
    /// the address it was told of, and with its first calls by another Seal everything ends that somebody else was given by the
    /// former one.
    pub(super) async fn start_agent(&mut self, store: &Store, admission: Admission<'_>) -> Result<(), Problem> {
        let Admission { join, ip, seal, .. } = admission;
        self.show(store, join, seal)?;
        let config = AgentConfig {
            state_dir: self.data_dir.clone(),
            owner: self.owner.clone(),
            node_name: self.node_id.to_string(),
            node_ip: ip,
            api_server: join.endpoint.clone(),
            runtime: self.runtime.clone(),
            token_file: store.file(TOKEN),
            max_pods: MAX_PODS,
            log_level: 1,
        };
        let same = matches!(&self.plan, Some(Plan::Agent(plan)) if *plan == config);
        if self.node.is_some() && same && self.shown == seal.seal {
            return Ok(());
        }
        self.prepare().await?;
        self.plan = Some(Plan::Agent(config));
        self.restart().await?;
        self.shown = seal.seal;
        Ok(())
    }
}
