use super::build::{Arg, Draft, Step};
use super::{Estimate, Ops, Outcome, PositionOutcome, TxError, Unsigned};
use crate::index::IndexIds;
use core::fmt;
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use daas_types::{Mist, PackageId, PositionId};

/// Something a wallet may do on chain, not done yet. Awaiting it signs it, executes it, and waits until it is in a
/// checkpoint.
#[must_use = "nothing happens before it is awaited"]
pub struct Call<'a, O> {
    ops: &'a Ops,
    draft: Draft,
    read: Read<O>,
}

/// What the caller learns from what was done.
type Read<O> = Box<dyn FnOnce(Outcome) -> Result<O, TxError> + Send>;

/// It was executed, so whatever else is wrong with what is said of it, nobody is told to try again.
fn learned<O>(read: Read<O>, outcome: Outcome) -> Result<O, TxError> {
    let digest = outcome.digest;
    read(outcome).map_err(|error| TxError::Doubtful { digest, cause: error.to_string() })
}

// === impl Call ===

impl<'a> Call<'a, Outcome> {
    pub(super) fn new(ops: &'a Ops, draft: Draft) -> Self {
        Self { ops, draft, read: Box::new(Ok) }
    }

    pub(super) fn then<O>(self, read: impl FnOnce(Outcome) -> Result<O, TxError> + Send + 'static) -> Call<'a, O> {
        Call { ops: self.ops, draft: self.draft, read: Box::new(read) }
    }

    pub(super) fn position(self) -> Call<'a, PositionOutcome> {
        self.then(Outcome::position)
    }
}

impl<O> Call<'_, O> {
    /// What it would do and cost now. Nothing is sent to be executed.
    pub async fn estimate(&self) -> Result<Estimate, TxError> {
        self.ops.simulate(&self.draft).await
    }

    /// The transaction as it would be signed now.
    pub async fn unsigned(&self) -> Result<Unsigned, TxError> {
        Ok(Unsigned::of(self.ops.built(&self.draft).await?))
    }

    /// Signs the very transaction that was estimated, executes it, and waits until it is in a checkpoint. One that is refused
    /// is not built anew: it would be another than the one that was shown.
    pub async fn send(self, shown: &Unsigned) -> Result<O, TxError> {
        let outcome = self.ops.run_shown(shown, self.draft.package).await?;
        learned(self.read, outcome)
    }

    /// What leaves the wallet beside gas.
    pub fn amount(&self) -> Mist {
        self.draft.amount()
    }

    /// The package whose events it makes.
    pub fn package(&self) -> Option<PackageId> {
        self.draft.package
    }

    /// Says what came of it, if `outcome` is of the transaction that it is.
    pub fn read(self, outcome: Outcome) -> Result<O, TxError> {
        learned(self.read, outcome)
    }

    #[cfg(test)]
    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }
}

impl<'a, O: 'a> IntoFuture for Call<'a, O> {
    type Output = Result<O, TxError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { ops, draft, read } = self;
            let outcome = ops.run(&draft).await?;
            learned(read, outcome)
        })
    }
}

impl<O> fmt::Debug for Call<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("sender", &self.ops.sender()).field("draft", &self.draft).finish_non_exhaustive()
    }
}

// === impl Ops ===

impl Ops {
    /// A call of one entry function.
    pub(super) fn entry(
        &self,
        ids: &IndexIds,
        module: &'static str,
        function: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Call<'_, Outcome> {
        let mut call = self.entry_of(ids.package, module, function, args);
        call.draft.cluster = Some(*ids);
        call
    }

    /// The same, before there is a cluster.
    pub(super) fn entry_of(
        &self,
        package: PackageId,
        module: &'static str,
        function: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Call<'_, Outcome> {
        let step = Step::Call { package: package.0, module, function, args: args.into_iter().collect() };
        Call::new(self, Draft { package: Some(package), cluster: None, steps: vec![step] })
    }

    /// A call whose first arguments are the cluster and a position.
    pub(super) fn on_position(
        &self,
        ids: &IndexIds,
        position: PositionId,
        (module, function): (&'static str, &'static str),
        rest: impl IntoIterator<Item = Arg>,
    ) -> Call<'_, PositionOutcome> {
        let args = [Arg::shared(ids.cluster.0), Arg::shared_mut(position.0)].into_iter().chain(rest);
        self.entry(ids, module, function, args).position()
    }
}
