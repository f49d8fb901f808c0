use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use http::Uri;
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

/// Where an address leads. Paths, letters' case and a port that goes without saying make no other endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: String,
    port: u16,
    encrypted: bool,
}

/// Why addresses were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcUrlsError {
    /// There is none, or one is empty.
    #[error("an RPC address is empty, or there is none")]
    Empty,
    /// Too many.
    #[error("more than {MOST} RPC addresses")]
    TooMany,
    /// Nothing that can be asked.
    #[error("`{0}` is no RPC address: give it as https://HOST:PORT or http://HOST:PORT")]
    NotAnAddress(String),
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
        let (mut urls, mut places): (Vec<String>, Vec<Place>) = Default::default();
        for url in named {
            if url.is_empty() {
                return Err(RpcUrlsError::Empty);
            }
            let place = Place::of(&url).ok_or_else(|| RpcUrlsError::NotAnAddress(url.clone()))?;
            if places.iter().any(|known| (&known.host, known.port) == (&place.host, place.port)) {
                continue;
            }
            if urls.len() == MOST {
                return Err(RpcUrlsError::TooMany);
            }
            urls.push(url);
            places.push(place);
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

    /// One that is asked without TLS: whoever is on the way there may answer in its place.
    pub fn unencrypted(&self) -> Option<&str> {
        self.iter().find(|url| !Place::of(url).is_some_and(|place| place.encrypted))
    }

    /// Where they lead, in one form and order however they are written: what a set of endpoints is known by.
    pub fn places(&self) -> Vec<String> {
        let mut places: Vec<Place> = self.iter().filter_map(Place::of).collect();
        places.sort();
        places.iter().map(Place::to_string).collect()
    }
}

// === impl Place ===

impl Place {
    /// As those read it who connect there.
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let encrypted = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host()?.trim_end_matches('.').to_ascii_lowercase();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let host = ip.map_or(host, |ip| ip.to_string());
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        (!host.is_empty()).then_some(Self { host, port, encrypted })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, encrypted } = self;
        write!(f, "{}://{host}:{port}", if *encrypted { "https" } else { "http" })
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
        for same in [
            ["https://h", "https://h:443"],
            ["https://h", "HTTPS://H.:443/path"],
            ["http://h", "http://h:80"],
            ["https://h:443", "http://h:443"],
            ["https://[::1]:9", "https://[0:0:0:0:0:0:0:1]:9/"],
        ] {
            assert_eq!(RpcUrls::new(same.map(str::to_owned)).unwrap().count(), 1, "{same:?}");
        }
        for other in [["https://h", "https://h:444"], ["https://h", "http://h"], ["https://h", "https://i"]] {
            assert_eq!(RpcUrls::new(other.map(str::to_owned)).unwrap().count(), 2, "{other:?}");
        }
    }

    #[test]
    fn a_set_is_known_however_it_is_written() {
        let places = |text: &str| text.parse::<RpcUrls>().unwrap().places();
        assert_eq!(places("https://b,http://A:9000/"), ["http://a:9000", "https://b:443"]);
        assert_eq!(places("http://a:9000,https://B:443/x"), places("https://b,http://A:9000/"));
        assert_ne!(places("https://a"), places("http://a:443"));
    }

    #[test]
    fn one_without_tls_is_found() {
        let plain = |text: &str| text.parse::<RpcUrls>().unwrap().unencrypted().map(str::to_owned);
        assert_eq!(plain("https://a,https://b"), None);
        assert_eq!(plain("https://a,http://b").as_deref(), Some("http://b"));
    }

    #[test]
    fn none_and_too_many_are_refused() {
        for json in ["[]", r#""""#, r#"["http://a",""]"#, "1"] {
            assert_eq!(read(json), None, "{json}");
        }
        for no in ["127.0.0.1:9000", "localhost:9000", "fullnode.example", "ftp://a", "http://", "http://:9000", "a b"]
        {
            assert_eq!(no.parse::<RpcUrls>(), Err(RpcUrlsError::NotAnAddress(no.to_owned())));
        }
        let many = |count: usize| RpcUrls::new((0..count).map(|n| format!("http://{n}")));
        assert_eq!(many(MOST).unwrap().count(), MOST);
        assert_eq!(many(MOST + 1), Err(RpcUrlsError::TooMany));
    }
}
