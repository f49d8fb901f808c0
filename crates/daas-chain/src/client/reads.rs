use super::objects::PAGE;
use super::{ChainClient, ChainError, deadline};
use crate::index::{Base, IndexIds};
use daas_types::onchain::{Cluster, NautilusState, PositionState, Registry, SealRecord, SealToken};
use daas_types::{Address, ClusterId, Digest, Mist, PackageId, Permissions, PositionId, SealId, UnixMs, WalletAddress};
use futures::{StreamExt, TryStreamExt, stream};
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
        let info = deadline("get service info", self.rpc().ledger_client().get_service_info(request)).await?;
        let height = info.checkpoint_height_opt();
        let height = height.ok_or_else(|| ChainError::malformed("get service info", "no checkpoint height"))?;
        Ok((height, info.lowest_available_checkpoint_opt().unwrap_or(0)))
    }

    /// The cluster.
    pub async fn cluster(&self, ids: &IndexIds) -> Result<Cluster, ChainError> {
        let tag = tag(ids.package, "cluster", "Cluster");
        self.existing("cluster", ids.cluster.0, &tag).await
    }

    /// A cluster's other ids, from its own and the package.
    pub async fn ids_of(&self, package: PackageId, cluster: ClusterId) -> Result<IndexIds, ChainError> {
        let tag = tag(package, "cluster", "Cluster");
        let Cluster { registry, nautilus, .. } = self.existing("cluster", cluster.0, &tag).await?;
        Ok(IndexIds { package, cluster, registry, nautilus })
    }

    /// Its registry.
    pub async fn registry(&self, ids: &IndexIds) -> Result<Registry, ChainError> {
        let tag = tag(ids.package, "cluster", "Registry");
        self.existing("registry", ids.registry.0, &tag).await
    }

    /// Its measurements and masters.
    pub async fn nautilus(&self, ids: &IndexIds) -> Result<NautilusState, ChainError> {
        let tag = tag(ids.package, "nautilus", "Nautilus");
        self.existing("nautilus", ids.nautilus.0, &tag).await
    }

    /// A position, if it exists and is of this cluster.
    pub async fn position(&self, ids: &IndexIds, id: PositionId) -> Result<Option<PositionState>, ChainError> {
        let tag = tag(ids.package, "staking", "StakePosition");
        let state: Option<PositionState> = self.object(id.0, &tag).await?;
        Ok(state.filter(|state| state.cluster == ids.cluster))
    }

    /// Every position the registry names.
    pub async fn positions(&self, ids: &IndexIds) -> Result<Vec<PositionState>, ChainError> {
        const CALL: &str = "list positions";
        let registry = self.registry(ids).await?;
        let request = proto::ListDynamicFieldsRequest::default()
            .with_parent(registry.positions.id.to_string())
            .with_page_size(PAGE)
            .with_read_mask(FieldMask::from_paths(["field_id", "name", "value"]));
        let fields = self.rpc().list_dynamic_fields(request);
        let fields: Vec<_> = fields.try_collect().await.map_err(|status| ChainError::of(CALL, &status))?;
        let ids_listed = fields.iter().map(|field| {
            bcs::from_bytes::<PositionId>(field.value().value())
                .map_err(|e| ChainError::malformed(CALL, format!("entry {}: {e}", field.field_id())))
        });
        let listed = ids_listed.collect::<Result<Vec<_>, _>>()?;
        let missing = |id: PositionId| ChainError::Missing { what: "position", id: id.0 };
        stream::iter(listed)
            .map(async |id| self.position(ids, id).await?.ok_or_else(|| missing(id)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// The live Seals of a wallet in this cluster, as its `SealToken` objects say. Whether a Seal still counts is in its
    /// position.
    pub async fn seals(&self, ids: &IndexIds, owner: WalletAddress) -> Result<Vec<SealToken>, ChainError> {
        let tag = tag(ids.package, "seal_token", "SealToken");
        let objects = self.owned(owner, &tag, "object_id,object_type,contents").await?;
        let seals = objects.iter().map(|object| seal_of(object.contents().value()));
        let seals = seals.collect::<Result<Vec<_>, _>>().map_err(|e| ChainError::malformed("list seals", e))?;
        Ok(seals.into_iter().filter(|seal| seal.cluster == ids.cluster).collect())
    }

    /// One `SealToken` object.
    pub async fn seal(&self, ids: &IndexIds, id: SealId) -> Result<Option<SealToken>, ChainError> {
        let tag = tag(ids.package, "seal_token", "SealToken");
        let Some(bytes) = self.contents(id.0, &tag).await? else {
            return Ok(None);
        };
        let seal = seal_of(&bytes).map_err(|e| ChainError::malformed("get object", e))?;
        Ok(Some(seal).filter(|seal| seal.cluster == ids.cluster))
    }

    /// The capabilities of this cluster that a wallet holds.
    pub async fn caps(&self, ids: &IndexIds, owner: WalletAddress) -> Result<Caps, ChainError> {
        Ok(Caps {
            admin: self.cap(ids, owner, "AdminCap").await?,
            proposer: self.cap(ids, owner, "ProposerCap").await?,
            judge: self.cap(ids, owner, "JudgeCap").await?,
        })
    }

    /// All SUI of a wallet.
    pub async fn balance(&self, owner: WalletAddress) -> Result<Mist, ChainError> {
        let request = proto::GetBalanceRequest::default()
            .with_owner(owner.to_string())
            .with_coin_type(StructTag::sui().to_string());
        let answer = deadline("get balance", self.rpc().state_client().get_balance(request)).await?;
        Ok(Mist(answer.balance().balance()))
    }

    /// The SUI coins of a wallet, largest first.
    pub async fn coins(&self, owner: WalletAddress) -> Result<Vec<Coin>, ChainError> {
        const CALL: &str = "list coins";
        let mask = "object_id,version,digest,object_type,balance";
        let objects = self.owned(owner, &StructTag::gas_coin(), mask).await?;
        let coin = |object: &proto::Object| {
            let id = object.object_id().parse().map_err(|_| ChainError::malformed(CALL, "no object id"))?;
            let digest = object.digest().parse().map_err(|_| ChainError::malformed(CALL, "no digest"))?;
            let balance = object.balance_opt().ok_or_else(|| ChainError::malformed(CALL, "no balance"))?;
            Ok(Coin { id, version: object.version(), digest, balance: Mist(balance) })
        };
        let mut coins = objects.iter().map(coin).collect::<Result<Vec<_>, ChainError>>()?;
        coins.sort_by_key(|coin| core::cmp::Reverse(coin.balance));
        Ok(coins)
    }

    /// Everything an index starts from. The checkpoint is asked for first, so that following from it misses nothing.
    pub(crate) async fn base(&self, ids: &IndexIds) -> Result<Base, ChainError> {
        let (checkpoint, _) = self.heights().await?;
        let (cluster, nautilus) = (self.cluster(ids).await?, self.nautilus(ids).await?);
        let positions = self.positions(ids).await?;
        Ok(Base { cluster, nautilus, positions, checkpoint })
    }

    async fn cap(
        &self,
        ids: &IndexIds,
        owner: WalletAddress,
        name: &'static str,
    ) -> Result<Option<Address>, ChainError> {
        let tag = tag(ids.package, "caps", name);
        let objects = self.owned(owner, &tag, "object_id,object_type,contents").await?;
        let caps = objects.iter().filter_map(|object| bcs::from_bytes(object.contents().value()).ok());
        Ok(caps.into_iter().find_map(|(id, cluster): (Address, ClusterId)| (cluster == ids.cluster).then_some(id)))
    }
}

fn tag(package: PackageId, module: &'static str, name: &'static str) -> StructTag {
    StructTag::new(package.0, Identifier::from_static(module), Identifier::from_static(name), Vec::new())
}

/// The object's own id stands first in its bytes and is the record's.
fn seal_of(bytes: &[u8]) -> Result<SealToken, bcs::Error> {
    type Layout =
        ((SealId, ClusterId, PositionId, String, Permissions), (Vec<u8>, Vec<u8>, Option<WalletAddress>, UnixMs));
    // Tuples add nothing to BCS, so the nesting is only for the reader.
    let ((id, cluster, position, node_id, permissions), (locator, commitment, session, expires_ms)): Layout =
        bcs::from_bytes(bytes)?;
    let record = SealRecord { id, permissions, locator, commitment, session, expires_ms };
    Ok(SealToken { cluster, position, node_id, record })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_token_is_read_in_the_order_of_its_fields() {
        let id = |n: &str| n.parse::<Address>().unwrap();
        let mut bytes = [id("0x1").as_bytes(), id("0x2").as_bytes(), id("0x3").as_bytes()].concat();
        bytes.extend(bcs::to_bytes("node-1").unwrap());
        bytes.push(3);
        bytes.extend(bcs::to_bytes(&vec![4_u8; 16]).unwrap());
        bytes.extend(bcs::to_bytes(&vec![5_u8; 32]).unwrap());
        bytes.extend(bcs::to_bytes(&Some(id("0x6"))).unwrap());
        bytes.extend(7_u64.to_le_bytes());
        let seal = seal_of(&bytes).unwrap();
        assert_eq!((seal.cluster, seal.position), (ClusterId(id("0x2")), PositionId(id("0x3"))));
        assert_eq!(seal.record.id, SealId(id("0x1")));
        assert_eq!(seal.record.session, Some(WalletAddress(id("0x6"))));
        assert_eq!((seal.record.permissions, seal.record.expires_ms), (Permissions::BOTH, UnixMs(7)));
        assert!(seal_of(&bytes[1..]).is_err());
    }
}
