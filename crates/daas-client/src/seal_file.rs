//! What a staker keeps of a Seal: a 0600 JSON file with the opaque secret and the session key.

use crate::files::is_private;
use crate::write_private;
use daas_types::join::JoinFile;
use daas_types::onchain::{PositionKey, PositionState, SealToken, position_id};
use daas_types::pop::{Claims, MAX_LIFETIME, Usage};
use daas_types::{
    ClusterId, Commitment, ErrorCode, Locator, NodeId, Permissions, PositionId, Problem, SealId, SealSecret, UnixMs,
    WalletAddress,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use sui_crypto::ed25519::Ed25519PrivateKey;
use zeroize::Zeroizing;

/// A Seal's private half. Prepared and saved before the stake is submitted, so that no crash can lose a paid-for Seal.
#[derive(Clone)]
pub struct SealFile {
    /// The cluster.
    pub cluster: ClusterId,
    /// The position, known before it exists.
    pub position: PositionId,
    /// The Seal's object, once minted.
    pub seal: Option<SealId>,
    /// The staking wallet.
    pub owner: WalletAddress,
    /// What it may be used for.
    pub permissions: Permissions,
    /// The node it may join as.
    pub node_id: Option<NodeId>,
    /// With the owner, what the position's id is derived from.
    pub salt: u64,
    /// When it ends; zero until minted.
    pub expires: UnixMs,
    secret: SealSecret,
    session: Ed25519PrivateKey,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u8,
    cluster: ClusterId,
    position: PositionId,
    seal: Option<SealId>,
    owner: WalletAddress,
    permissions: String,
    node_id: Option<NodeId>,
    salt: u64,
    expires: UnixMs,
    secret: Zeroizing<String>,
    session_key: Zeroizing<String>,
}

// === impl SealFile ===

impl SealFile {
    /// Makes the private half of a Seal for a new position of `owner`.
    pub fn prepare(
        join: &JoinFile,
        owner: WalletAddress,
        permissions: Permissions,
        node_id: Option<NodeId>,
    ) -> Result<Self, Problem> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
        let salt = u64::from_le_bytes(salt);
        let position = position_id(join.package, join.registry, PositionKey(owner, salt));
        Self {
            cluster: join.cluster,
            position,
            seal: None,
            owner,
            permissions,
            node_id,
            salt,
            expires: UnixMs(0),
            secret: new_secret()?,
            session: Ed25519PrivateKey::new([0; 32]),
        }
        .renewed()
    }

    /// What there is of a minted Seal of which only the secret is known. The session key is made here and is not the
    /// Seal's: nothing can be signed with it until the Seal is renewed.
    pub fn of_secret(token: &SealToken, owner: WalletAddress, secret: SealSecret) -> Result<Self, Problem> {
        let node_id = (!token.node_id.is_empty()).then(|| token.node_id.parse()).transpose();
        let known = Self {
            cluster: token.cluster,
            position: token.position,
            seal: Some(token.id),
            owner,
            permissions: token.permissions,
            node_id: node_id.map_err(Problem::of(ErrorCode::NodeIdMismatch))?,
            // Of no use for a position that exists.
            salt: 0,
            expires: token.expires_ms,
            secret,
            session: Ed25519PrivateKey::new([0; 32]),
        };
        let session = known.renewed()?.session;
        Ok(Self { session, ..known })
    }

    /// What there is of a node's stake of which everything secret is lost: nothing can be done with it but to mint a Seal.
    pub fn of_lost(cluster: ClusterId, state: &PositionState, node_id: NodeId) -> Result<Self, Problem> {
        Self {
            cluster,
            position: state.position,
            seal: None,
            owner: state.owner,
            permissions: Permissions::NODE,
            node_id: Some(node_id),
            // Of no use for a position that exists.
            salt: 0,
            expires: UnixMs(0),
            secret: new_secret()?,
            session: Ed25519PrivateKey::new([0; 32]),
        }
        .renewed()
    }

    /// The same position with a fresh secret and session key, not yet minted.
    pub fn renewed(&self) -> Result<Self, Problem> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|e| Problem::new(ErrorCode::Internal, e))?;
        let session = Ed25519PrivateKey::new(*key);
        Ok(Self { seal: None, expires: UnixMs(0), secret: new_secret()?, session, ..self.clone() })
    }

    /// Reads a file; refuses one that others can read.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let bad = |cause: String| Problem::new(ErrorCode::NotStaked, format!("{}: {cause}", path.display()));
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?);
        if !is_private(path).map_err(|e| bad(e.to_string()))? {
            return Err(Problem::new(ErrorCode::WalletUnsafe, path.display()));
        }
        // serde's message could quote the file; its position is enough.
        let form: Form = serde_json::from_str(&text)
            .map_err(|e| bad(format!("not a Seal file (line {}, column {})", e.line(), e.column())))?;
        if form.version != 1 {
            return Err(bad(format!("Seal file version {}; this program knows 1", form.version)));
        }
        Ok(Self {
            cluster: form.cluster,
            position: form.position,
            seal: form.seal,
            owner: form.owner,
            permissions: form.permissions.parse().map_err(bad)?,
            node_id: form.node_id,
            salt: form.salt,
            expires: form.expires,
            secret: form.secret.parse().map_err(|e: daas_types::SealSecretError| bad(e.to_string()))?,
            session: Ed25519PrivateKey::from_suiprivkey(&form.session_key)
                .map_err(|_| bad("the session key is damaged".to_owned()))?,
        })
    }

    /// Writes the file, whole or not at all, for its owner alone.
    pub fn save(&self, path: &Path) -> Result<(), Problem> {
        let internal = |e: &dyn fmt::Display| Problem::new(ErrorCode::Internal, e);
        let form = Form {
            version: 1,
            cluster: self.cluster,
            position: self.position,
            seal: self.seal,
            owner: self.owner,
            permissions: self.permissions.to_string(),
            node_id: self.node_id.clone(),
            salt: self.salt,
            expires: self.expires,
            secret: self.secret.expose_hex(),
            session_key: Zeroizing::new(self.session.to_suiprivkey().map_err(|e| internal(&e))?),
        };
        let text = Zeroizing::new(serde_json::to_string_pretty(&form).map_err(|e| internal(&e))?);
        write_private(path, text.as_bytes())
            .map_err(|e| Problem::new(ErrorCode::StateUnreadable, format!("{}: {e}", path.display())))
    }

    /// A PoP token of at most five minutes, signed by the session key.
    pub fn mint(&self, usage: Usage, now: UnixMs) -> Result<Zeroizing<String>, Problem> {
        self.mint_with_end(usage, now).map(|(token, _)| token)
    }

    /// The same, with when it ends.
    pub(crate) fn mint_with_end(&self, usage: Usage, now: UnixMs) -> Result<(Zeroizing<String>, UnixMs), Problem> {
        let seal = self.seal.ok_or_else(|| Problem::new(ErrorCode::NotStaked, "the Seal was never minted"))?;
        let claims = Claims::new(self.cluster, seal, usage, now, MAX_LIFETIME)
            .map_err(|e| Problem::new(ErrorCode::Internal, e))?;
        let token = claims.sign(&self.session).map_err(Problem::of(ErrorCode::Internal))?;
        Ok((token, claims.expires))
    }

    /// The opaque secret.
    pub fn secret(&self) -> &SealSecret {
        &self.secret
    }

    /// The address of the session key, for the Seal.
    pub fn session_address(&self) -> WalletAddress {
        WalletAddress(self.session.public_key().derive_address())
    }

    /// What goes on chain to find the Seal.
    pub fn locator(&self) -> Locator {
        self.secret.locator()
    }

    /// What goes on chain to accept the secret.
    pub fn commitment(&self) -> Commitment {
        self.secret.commitment(self.cluster, self.position)
    }
}

impl fmt::Debug for SealFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealFile")
            .field("position", &self.position)
            .field("seal", &self.seal)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

fn new_secret() -> Result<SealSecret, Problem> {
    SealSecret::generate().map_err(|e| Problem::new(ErrorCode::Internal, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daas_types::pop::PopToken;
    use daas_types::{Address, PackageId, RegistryId};

    fn join() -> JoinFile {
        JoinFile {
            version: 1,
            genesis: daas_types::Digest::ZERO,
            genesis_summary: None,
            committee: None,
            rpc: "http://127.0.0.1:1".parse().unwrap(),
            package: PackageId(Address::from_static("0x1")),
            cluster: ClusterId(Address::from_static("0x2")),
            registry: RegistryId(Address::from_static("0x3")),
            nautilus: Address::from_static("0x4").into(),
            endpoint: "https://127.0.0.1:6443".to_owned(),
            ca: String::new(),
            engine: daas_types::join::Joining::Kubernetes,
        }
    }

    #[test]
    fn survives_the_disk_and_prints_nothing() {
        let owner = WalletAddress(Address::from_static("0xa"));
        let mut seal = SealFile::prepare(&join(), owner, Permissions::BOTH, Some("n1".parse().unwrap())).unwrap();
        seal.seal = Some(SealId(Address::from_static("0x5")));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/seal.json");
        seal.save(&path).unwrap();
        assert!(is_private(&path).unwrap());
        let back = SealFile::load(&path).unwrap();
        assert_eq!(back.commitment(), seal.commitment());
        assert_eq!(back.session_address(), seal.session_address());
        assert!(!format!("{back:?}").contains(seal.secret().expose_hex().as_str()));

        let token = PopToken::verify(&back.mint(Usage::User, UnixMs(1000)).unwrap()).unwrap();
        assert_eq!(token.signer(), seal.session_address());

        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(SealFile::load(&path).unwrap_err().code, ErrorCode::WalletUnsafe);
    }

    #[test]
    fn a_renewed_seal_shares_nothing_secret() {
        let owner = WalletAddress(Address::from_static("0xa"));
        let seal = SealFile::prepare(&join(), owner, Permissions::USER, None).unwrap();
        let renewed = seal.renewed().unwrap();
        assert_eq!(renewed.position, seal.position);
        assert_ne!(renewed.commitment(), seal.commitment());
        assert_ne!(renewed.session_address(), seal.session_address());
    }
}
