//! `k3s-daas chain`: a cluster founded and governed, on any Sui network. Each command is one transaction, shown with its
//! cost and sent when it is confirmed.

mod cluster;
mod founding;
mod masters;
mod package;
mod policy;
mod slash;
mod submit;

use crate::cli::chain::{ChainArgs, ChainCommand};
use crate::cli::send::SendFlags;
use crate::context::Context;
use crate::output::done;
use crate::place::{self, Place};
use crate::sending::{Ask, Sending};
use daas_chain::index::IndexIds;
use daas_chain::ops::{Call, Ops, Outcome, is_version};
use daas_types::{ErrorCode, PackageId, Problem};
use serde_json::{Value, json};

/// Where a transaction goes, and who sends it.
struct Counter<'a> {
    context: &'a Context,
    place: Place,
    /// The version of the package whose code is called, if it is not the join file's.
    code: Option<PackageId>,
    flags: &'a SendFlags,
    sending: Sending<'a>,
}

pub(crate) async fn run(context: &Context, args: &ChainArgs) -> Result<(), Problem> {
    use ChainCommand as C;
    let place = Place::find(context, &args.place).await?;
    let sending = Sending::new(context, &args.send, Ask::Always).typed(&place.typed);
    if let Some(code) = args.code {
        check_code(&place, &args.command, code).await?;
    }
    let counter = Counter { context, place, code: args.code, flags: &args.send, sending };
    match &args.command {
        C::Publish(file) => package::publish(&counter, file).await,
        C::Upgrade(args) => package::upgrade(&counter, args).await,
        C::Display(args) => package::display(&counter, args).await,
        C::VerifyPackage(args) => package::verify(&counter, args).await,
        C::InitCluster(args) => Box::pin(founding::run(&counter, args)).await,
        C::Policy(command) => policy::run(&counter, command).await,
        C::Pause => cluster::pause(&counter, true).await,
        C::Unpause => cluster::pause(&counter, false).await,
        C::Operators(args) => cluster::operators(&counter, args).await,
        C::Office(command) => cluster::office(&counter, command).await,
        C::Migrate => cluster::migrate(&counter).await,
        C::Treasury(command) => cluster::treasury(&counter, *command).await,
        C::Measurement(command) => masters::measurement(&counter, command).await,
        C::Master(command) => masters::master(&counter, command).await,
        C::Slash(command) => Box::pin(slash::run(&counter, command)).await,
        C::Submit(args) => submit::run(&counter, args).await,
    }
}

/// Foreign code would be handed the sender's capabilities.
async fn check_code(place: &Place, command: &ChainCommand, code: PackageId) -> Result<(), Problem> {
    let original = match (command, &place.cluster) {
        (ChainCommand::InitCluster(args), _) => Some(args.package),
        (_, cluster) => cluster.as_ref().map(|cluster| cluster.ids().package),
    };
    let foreign = |cause: String| Problem::new(ErrorCode::CodeForeign, cause);
    let original = original.ok_or_else(|| foreign("no join file says which package is the cluster's".to_owned()))?;
    if is_version(&place.client, original, code).await? {
        return Ok(());
    }
    Err(foreign(format!("{code} is no version of package {original}")))
}

// === impl Counter ===

impl Counter<'_> {
    /// The sender's transactions, and the cluster they are about.
    fn clerk(&self) -> Result<(Ops, IndexIds), Problem> {
        Ok((self.ops()?, self.place.ids()?))
    }

    fn ops(&self) -> Result<Ops, Problem> {
        Ok(self.place.ops(place::sender(self.context, self.flags)?).calling(self.code))
    }

    /// Sends, and answers what came of it unless it was only shown.
    async fn send<O>(&self, what: &str, call: Call<'_, O>) -> Result<Option<O>, Problem> {
        self.sending.send(&self.place.client, what, call).await
    }

    /// Sends, and says `text` once it is done.
    async fn settle(&self, what: &str, call: Call<'_, Outcome>, text: &str, more: Value) -> Result<(), Problem> {
        if let Some(outcome) = self.send(what, call).await? {
            self.sending.receipt(done(text), &outcome, more);
        }
        Ok(())
    }

    /// The same, with nothing more to say to programs.
    async fn plain(&self, what: &str, call: Call<'_, Outcome>, text: &str) -> Result<(), Problem> {
        self.settle(what, call, text, json!({})).await
    }
}
