//! One type per kind of Sui id, so that a position can never be passed where a Seal is expected.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Address);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // As `Address` shows itself, which formats byte by byte: requests name four ids each, and that was a
                // tenth of what a request cost.
                let mut text = *b"0x0000000000000000000000000000000000000000000000000000000000000000";
                hex::encode_to_slice(self.0.as_bytes(), &mut text[2..]).map_err(|_| fmt::Error)?;
                f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = <Address as FromStr>::Err;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }

        impl From<Address> for $name {
            fn from(address: Address) -> Self {
                Self(address)
            }
        }
    };
}

id!(
    /// The shared `Cluster` object: the audience of every token, `STAKING_CONTRACT` in configurations.
    ClusterId
);
id!(
    /// The shared `Registry` object of a cluster.
    RegistryId
);
id!(
    /// The shared `Nautilus` object of a cluster: measurements and masters.
    NautilusId
);
id!(
    /// The shared `AuditAnchors` object of a cluster: the last root of each master's audit log.
    AnchorsId
);
id!(
    /// A `K8sRequest` object: a Kubernetes request made on chain.
    RequestId
);
id!(
    /// An `AdminCap`, `ProposerCap` or `JudgeCap` object.
    CapId
);
id!(
    /// One staker's shared `StakePosition`; the UID Kubernetes sees.
    PositionId
);
id!(
    /// A soulbound `SealToken` object. Public: never a credential.
    SealId
);
id!(
    /// The original id of the published Move package.
    PackageId
);
id!(
    /// A wallet or session key's address; the user name Kubernetes sees.
    WalletAddress
);
