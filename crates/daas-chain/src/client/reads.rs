use super::objects::{LISTING, PAGE, listed};
use super::proofs::Prover;
use super::{ChainClient, ChainError, deadline};
use crate::index::IndexIds;
use crate::verified::{Check, ProofError};
use daas_types::onchain::{Cluster, Nautilus, NautilusState, PositionState, Registry, SealToken, Table};
use daas_types::{Address, ClusterId, Digest, Mist, PackageId, PositionId, SealId, WalletAddress};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Identifier, StructTag};

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;

/// The capabilities of one cluster that a wallet holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Sets policy, measurements and masters.
    pub admin: Option<Address>,
    /// Proposes slashes.
    pub proposer: Option<Address>,
    /// Upholds or cancels them.
    pub judge: Option<Address>,
}

/// A coin of SUI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Its object id.
    pub id: Address,
    /// Its version.
    pub version: u64,
    /// Its digest.
    pub digest: Digest,
    /// What it holds.
    pub balance: Mist,
}

// === impl ChainClient ===

impl ChainClient {
    /// The height of the chain as the endpoint sees it, and the lowest checkpoint it still serves.
    pub async fn heights(&self) -> Result<(u64, u64), ChainError> {
        let request = proto::GetServiceInfoRequest::default();
        let info = deadline("get service info", self.short().ledger_client().get_service_info(request)).await?;
        let height = info.checkpoint_height_opt();
        let height = height.ok_or_else(|| ChainError::malformed("get service info", "no checkpoint height"))?;
        Ok((height, info.lowest_available_checkpoint_opt().unwrap_or(0)))
    }

    /// The cluster, proven.
    pub async fn cluster(&self, ids: &IndexIds) -> Result<Cluster, ChainError> {
        self.prover().cluster(ids.package, ids.cluster).await
    }

    /// A cluster's other ids, from its own and the package, proven.
    pub async fn ids_of(&self, package: PackageId, cluster: ClusterId) -> Result<IndexIds, ChainError> {
        let Cluster { registry, nautilus, .. } = self.prover().cluster(package, cluster).await?;
        Ok(IndexIds { package, cluster, registry, nautilus })
    }

    /// Its registry, proven.
    pub async fn registry(&self, ids: &IndexIds) -> Result<Registry, ChainError> {
        self.prover().registry(ids).await
    }

    /// Its measurements and masters, proven.
    pub async fn nautilus(&self, ids: &IndexIds) -> Result<NautilusState, ChainError> {
        self.prover().nautilus(ids).await
    }

    /// A position, proven, if it exists and is of this cluster.
    pub async fn position(&self, ids: &IndexIds, id: PositionId) -> Result<Option<PositionState>, ChainError> {
        self.prover().position(ids, id).await
    }

    /// Every position the registry names, each proven, and no fewer than the proven registry counts.
    pub async fn positions(&self, ids: &IndexIds) -> Result<Vec<PositionState>, ChainError> {
        self.prover().positions(ids, BTreeSet::new()).await
    }

    /// One `SealToken` object, proven.
    pub async fn seal(&self, ids: &IndexIds, id: SealId) -> Result<Option<SealToken>, ChainError> {
        let seal: Option<SealToken> = self.prover().typed(id.0, &tag(ids.package, "seal_token", "SealToken")).await?;
        Ok(seal.filter(|seal| seal.cluster == ids.cluster))
    }

    /// The live Seals of a wallet in this cluster, as its `SealToken` objects say. Whether a Seal still counts is in its
    /// position.
    pub async fn seals(&self, ids: &IndexIds, owner: WalletAddress) -> Result<Vec<SealToken>, ChainError> {
        let tag = tag(ids.package, "seal_token", "SealToken");
        let read = |object: &proto::Object| bcs::from_bytes(object.contents().value());
        let seals = self.owned(owner, &tag, "object_id,object_type,contents", read).await?.into_iter();
        let seals = seals.collect::<Result<Vec<SealToken>, _>>().map_err(|e| ChainError::malformed("list seals", e))?;
        Ok(seals.into_iter().filter(|seal| seal.cluster == ids.cluster).collect())
    }

    /// The capabilities of this cluster that a wallet holds.
    pub async fn caps(&self, ids: &IndexIds, owner: WalletAddress) -> Result<Caps, ChainError> {
        Ok(Caps {
            admin: self.cap(ids, owner, "AdminCap").await?,
            proposer: self.cap(ids, owner, "ProposerCap").await?,
            judge: self.cap(ids, owner, "JudgeCap").await?,
        })
    }

    /// The SUI in a wallet's coins, of which everything here is paid; not what lies at the address itself.
    pub async fn balance(&self, owner: WalletAddress) -> Result<Mist, ChainError> {
        let request = proto::GetBalanceRequest::default()
            .with_owner(owner.to_string())
            .with_coin_type(StructTag::sui().to_string());
        let answer = deadline("get balance", self.short().state_client().get_balance(request)).await?;
        let balance = answer.balance();
        Ok(Mist(balance.coin_balance_opt().unwrap_or_else(|| balance.balance())))
    }

    /// The SUI coins of a wallet, largest first.
    pub async fn coins(&self, owner: WalletAddress) -> Result<Vec<Coin>, ChainError> {
        const CALL: &str = "list coins";
        let mask = "object_id,version,digest,object_type,balance";
        let coin = |object: &proto::Object| {
            let id = object.object_id().parse().map_err(|_| ChainError::malformed(CALL, "no object id"))?;
            let digest = object.digest().parse().map_err(|_| ChainError::malformed(CALL, "no digest"))?;
            let balance = object.balance_opt().ok_or_else(|| ChainError::malformed(CALL, "no balance"))?;
            Ok(Coin { id, version: object.version(), digest, balance: Mist(balance) })
        };
        let coins = self.owned(owner, &StructTag::gas_coin(), mask, coin).await?;
        let mut coins = coins.into_iter().collect::<Result<Vec<_>, ChainError>>()?;
        coins.sort_by_key(|coin| core::cmp::Reverse(coin.balance));
        Ok(coins)
    }

    /// The positions that the endpoint lists in a registry's table.
    async fn listed(&self, table: &Table) -> Result<Vec<PositionId>, ChainError> {
        const CALL: &str = "list positions";
        let request = proto::ListDynamicFieldsRequest::default()
            .with_parent(table.id.to_string())
            .with_page_size(PAGE)
            .with_read_mask(FieldMask::from_paths(["field_id", "name", "value"]));
        // There may be some more than when the table was read.
        let most = table.size.saturating_mul(2).saturating_add(1024);
        let positions = self.short().list_dynamic_fields(request);
        let positions = positions.map_ok(|field| bcs::from_bytes::<PositionId>(field.value().value()));
        let positions = listed(CALL, most, LISTING, positions).await?.into_iter().collect::<Result<_, _>>();
        positions.map_err(|e| ChainError::malformed(CALL, format!("an entry is no position: {e}")))
    }

    async fn cap(
        &self,
        ids: &IndexIds,
        owner: WalletAddress,
        name: &'static str,
    ) -> Result<Option<Address>, ChainError> {
        let tag = tag(ids.package, "caps", name);
        let read = |object: &proto::Object| bcs::from_bytes(object.contents().value()).ok();
        let caps = self.owned(owner, &tag, "object_id,object_type,contents", read).await?.into_iter().flatten();
        let mut own = caps.filter(|(_, cluster): &(Address, ClusterId)| *cluster == ids.cluster);
        Ok(own.next().map(|(id, _)| id))
    }
}

// === impl Prover ===

impl Prover {
    pub(super) async fn cluster(&self, package: PackageId, cluster: ClusterId) -> Result<Cluster, ChainError> {
        self.existing("cluster", cluster.0, &tag(package, "cluster", "Cluster")).await
    }

    pub(super) async fn nautilus(&self, ids: &IndexIds) -> Result<NautilusState, ChainError> {
        let nautilus: Nautilus =
            self.existing("nautilus", ids.nautilus.0, &tag(ids.package, "nautilus", "Nautilus")).await?;
        Ok(nautilus.state())
    }

    async fn registry(&self, ids: &IndexIds) -> Result<Registry, ChainError> {
        self.existing("registry", ids.registry.0, &tag(ids.package, "registry", "Registry")).await
    }

    async fn position(&self, ids: &IndexIds, id: PositionId) -> Result<Option<PositionState>, ChainError> {
        let state: Option<PositionState> = self.typed(id.0, &tag(ids.package, "position", "StakePosition")).await?;
        Ok(state.filter(|state| state.cluster == ids.cluster))
    }

    /// The list is the endpoints' word: nothing can be slipped in, since each position is proven, and what all of them leave
    /// out the proven registry's count tells. What cannot be proven is left out, or one made up entry would hold everything
    /// up: who is left out has no right. A `known` position must be there, since it would keep those that it had.
    pub(super) async fn positions(
        &self,
        ids: &IndexIds,
        known: BTreeSet<PositionId>,
    ) -> Result<Vec<PositionState>, ChainError> {
        let table = self.registry(ids).await?.positions;
        let listed = self.ask(|endpoint| async move { endpoint.listed(&table).await }.boxed()).await?;
        let all: BTreeSet<PositionId> = listed.into_iter().flatten().chain(known.iter().copied()).collect();
        let mut answers = stream::iter(all).map(|id| self.listed_position(ids, id)).buffer_unordered(AT_ONCE);
        let (mut positions, mut left_out, mut missing) = (Vec::new(), 0_u64, None);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(Some(position)) => positions.push(position),
                Ok(None) | Err(ChainError::WrongType { .. }) if !known.contains(&id) => {}
                Ok(None) => return Err(ChainError::Missing { what: "position", id: id.0 }),
                Err(error) if known.contains(&id) => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, position = %id, "a listed position is not proven");
                    left_out = left_out.saturating_add(1);
                    missing.get_or_insert(error);
                }
            }
        }
        let proven = u64::try_from(positions.len()).unwrap_or(u64::MAX);
        if proven < table.size {
            let hidden = Check::PositionsHidden { listed: proven, counted: table.size };
            return Err(missing.unwrap_or_else(|| ProofError::unplaced(hidden).into()));
        }
        if let Some(error) = missing {
            tracing::warn!(%error, left_out, "entries of the list of positions cannot be proven, and are left out");
        }
        Ok(positions)
    }

    async fn listed_position(
        &self,
        ids: &IndexIds,
        id: PositionId,
    ) -> (PositionId, Result<Option<PositionState>, ChainError>) {
        (id, self.position(ids, id).await)
    }
}

pub(super) fn tag(package: PackageId, module: &'static str, name: &'static str) -> StructTag {
    StructTag::new(package.0, Identifier::from_static(module), Identifier::from_static(name), Vec::new())
}
