use super::Outcome;
use super::submit::{Lookup, look_up};
use crate::client::{ChainClient, ChainError};
use daas_types::{Address, PackageId};
use sui_sdk_types::Owner;

/// What may publish a new version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeCap {
    /// Its id.
    pub id: Address,
    /// Whose it is.
    pub owner: Owner,
    /// The newest version that it made.
    pub newest: PackageId,
}

/// The `UpgradeCap` of a package, if it can be found: which object it is, the endpoint says; that it is one, for this
/// package, and whose it was in some checkpoint, is proven.
pub async fn upgrade_cap(client: &ChainClient, original: PackageId) -> Result<Option<UpgradeCap>, ChainError> {
    let Some(package) = client.proven_object(original.0).await? else {
        return Ok(None);
    };
    let published = package.object().previous_transaction();
    let Lookup::InCheckpoint(executed) = look_up(client, published).await? else {
        return Ok(None);
    };
    let made = Outcome::of(published, None, &executed).ok();
    let Some(id) = made.and_then(|made| made.created("package", "UpgradeCap")) else {
        return Ok(None);
    };
    let Some(proven) = client.proven_object(id).await? else {
        return Ok(None);
    };
    let Some(cap) = proven.object().as_struct() else {
        return Ok(None);
    };
    let tag = cap.object_type();
    let right = *tag.address() == super::build::FRAMEWORK && tag.name().as_str() == "UpgradeCap";
    // `id`, `package`, `version`, `policy`.
    let read = bcs::from_bytes::<(Address, PackageId, u64, u8)>(cap.contents()).ok().filter(|_| right);
    let Some((_, newest, ..)) = read else {
        return Ok(None);
    };
    let ours = super::is_version(client, original, newest).await?;
    Ok(ours.then(|| UpgradeCap { id, owner: *proven.object().owner(), newest }))
}
