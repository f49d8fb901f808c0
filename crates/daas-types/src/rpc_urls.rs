use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// More would only be asked in vain.
const MOST: usize = 16;

/// Where a chain is read: one address or several. In JSON a string, or a list where there are several.
///
/// None of them is trusted, but one alone can withhold what is newest; see `docs/decisions/0006-one-endpoint.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RpcUrls {
    /// At least one, each once.
    urls: Vec<String>,
}

/// Why addresses were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcUrlsError {
    /// There is none, or one is empty.
    #[error("an RPC address is empty, or there is none")]
    Empty,
    /// Too many.
    #[error("more than {MOST} RPC addresses")]
    TooMany,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
}

// === impl RpcUrls ===

impl RpcUrls {
    /// Of several addresses. One that is named twice counts once.
    pub fn new(named: impl IntoIterator<Item = String>) -> Result<Self, RpcUrlsError> {
        let mut urls: Vec<String> = Vec::new();
        for url in named {
            if url.is_empty() {
                return Err(RpcUrlsError::Empty);
            }
            if urls.iter().any(|known| same(known, &url)) {
                continue;
            }
            if urls.len() == MOST {
                return Err(RpcUrlsError::TooMany);
            }
            urls.push(url);
        }
        if urls.is_empty() { Err(RpcUrlsError::Empty) } else { Ok(Self { urls }) }
    }

    /// How many there are: at least one.
    pub fn count(&self) -> usize {
        self.urls.len()
    }

    /// Each of them, in the order of their naming.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(String::as_str)
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// One address.
impl From<&str> for RpcUrls {
    fn from(url: &str) -> Self {
        Self { urls: vec![url.to_owned()] }
    }
}

/// As configured in one line: addresses between commas.
impl FromStr for RpcUrls {
    type Err = RpcUrlsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.split(',').map(|url| url.trim().to_owned()))
    }
}

impl fmt::Display for RpcUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.urls.join(","))
    }
}

impl TryFrom<Written> for RpcUrls {
    type Error = RpcUrlsError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::One(url) => Self::new([url]),
            Written::Several(urls) => Self::new(urls),
        }
    }
}

impl From<RpcUrls> for Written {
    fn from(mut rpc: RpcUrls) -> Self {
        if rpc.urls.len() == 1 { Self::One(rpc.urls.remove(0)) } else { Self::Several(rpc.urls) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<RpcUrls> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn one_is_a_string_and_several_are_a_list() {
        for (json, count) in [(r#""http://a""#, 1), (r#"["http://a","http://b"]"#, 2)] {
            let rpc = read(json).unwrap();
            assert_eq!((rpc.count(), serde_json::to_string(&rpc).unwrap().as_str()), (count, json));
        }
        assert_eq!(serde_json::to_string(&read(r#"["http://a"]"#)).unwrap(), r#""http://a""#);
        assert_eq!("http://a, http://b".parse::<RpcUrls>().unwrap().to_string(), "http://a,http://b");
    }

    #[test]
    fn the_same_address_twice_is_one_endpoint() {
        assert_eq!(read(r#"["http://a","http://A/","http://a"]"#).unwrap().count(), 1);
    }

    #[test]
    fn none_and_too_many_are_refused() {
        for json in ["[]", r#""""#, r#"["http://a",""]"#, "1"] {
            assert_eq!(read(json), None, "{json}");
        }
        let many = |count: usize| RpcUrls::new((0..count).map(|n| format!("http://{n}")));
        assert_eq!(many(MOST).unwrap().count(), MOST);
        assert_eq!(many(MOST + 1), Err(RpcUrlsError::TooMany));
    }
}
