use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 network whose host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    network: Ipv4Addr,
    prefix: u8,
}

/// A text that is not an IPv4 network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an IPv4 network such as 10.42.0.0/16")]
pub struct CidrError {
    text: String,
}

// === impl Cidr ===

impl Cidr {
    /// The network's address.
    pub const fn network(self) -> Ipv4Addr {
        self.network
    }

    /// The number of network bits.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.network)
    }

    /// The `n`th address, e.g. 1 for the `kubernetes` Service.
    pub fn nth(self, n: u32) -> Option<Ipv4Addr> {
        u32::from(self.network).checked_add(n).map(Ipv4Addr::from).filter(|a| self.contains(*a))
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parse = || {
            let (network, prefix) = text.split_once('/')?;
            let prefix: u8 = prefix.parse().ok().filter(|p| *p <= 32)?;
            let cidr = Self { network: network.parse().ok()?, prefix };
            (u32::from(cidr.network) & !cidr.mask() == 0).then_some(cidr)
        };
        parse().ok_or_else(|| CidrError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_networks_and_refuses_everything_else() {
        let cidr: Cidr = "10.42.0.0/16".parse().unwrap();
        assert_eq!(cidr.nth(10), Some(Ipv4Addr::new(10, 42, 0, 10)));
        assert_eq!(cidr.nth(1 << 16), None);
        assert!(cidr.contains(Ipv4Addr::new(10, 42, 255, 1)) && !cidr.contains(Ipv4Addr::new(10, 43, 0, 1)));
        assert_eq!(cidr.to_string(), "10.42.0.0/16");
        assert!("0.0.0.0/0".parse::<Cidr>().is_ok());
        for bad in ["", "10.42.0.0", "10.42.0.1/16", "10.42.0.0/33", "fd00::/64", "10.42.0.0/16; rm"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad} was taken");
        }
    }
}
