//! Who may speak to the API: who shows the secret of the worker's Seal, and before the first Seal who can read the token
//! in its state folder; and who has a certificate of an authority that its owner has named. That somebody is on the same machine
//! says nothing.

use crate::store::Store;
use core::net::{IpAddr, SocketAddr};
use daas_client::SealFile;
use daas_types::{Address, ClusterId, Commitment, ErrorCode, PositionId, Problem, SealSecret};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::ServerConnection;
use std::os::unix::fs::MetadataExt as _;
use zeroize::Zeroizing;

/// The file that opens the API before the first Seal.
pub const TOKEN_FILE: &str = "api-token";
/// The file that opens the metrics, and nothing else, for as long as it is there.
pub const METRICS_FILE: &str = "metrics-token";

/// Tells the right secret from others, and is none itself.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    cluster: ClusterId,
    position: PositionId,
    commitment: Commitment,
}

/// Who is at the other end of a connection, as far as that tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    local: IpAddr,
    certified: bool,
}

// === impl Peer ===

impl Peer {
    /// Anyone.
    pub(super) fn unknown(local: SocketAddr) -> Self {
        Self { local: local.ip(), certified: false }
    }

    /// Who has made this handshake: a certificate is there only if an authority's that the configuration names, and proved.
    pub(super) fn of(local: SocketAddr, handshake: &ServerConnection) -> Self {
        Self { local: local.ip(), certified: handshake.peer_certificates().is_some_and(|chain| !chain.is_empty()) }
    }

    /// The address it came to.
    pub(super) fn local(self) -> IpAddr {
        self.local
    }

    /// Whether it has shown a certificate that opens the API.
    pub(super) fn is_certified(self) -> bool {
        self.certified
    }
}

// === impl Key ===

impl Key {
    /// What the Seal's secret opens.
    pub fn of(seal: &SealFile) -> Self {
        Self { cluster: seal.cluster, position: seal.position, commitment: seal.commitment() }
    }

    /// What a token opens that belongs to no position.
    fn of_token(token: &SealSecret) -> Self {
        let (cluster, position) = (ClusterId(Address::ZERO), PositionId(Address::ZERO));
        Self { cluster, position, commitment: token.commitment(cluster, position) }
    }

    /// Whether this is the secret; compared in constant time.
    fn opens(&self, secret: &SealSecret) -> bool {
        secret.commitment(self.cluster, self.position).matches(&self.commitment)
    }
}

/// Writes a fresh token for a worker without a Seal; removes an old one where there is a Seal.
pub(super) fn issue(store: &Store, sealed: bool) -> Result<Option<Key>, Problem> {
    if sealed {
        return match std::fs::remove_file(store.file(TOKEN_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Problem::new(ErrorCode::StateUnreadable, format!("{TOKEN_FILE}: {error}")))
            }
            _ => Ok(None),
        };
    }
    let token = SealSecret::generate().map_err(|error| Problem::new(ErrorCode::Internal, error))?;
    store.write(TOKEN_FILE, token.expose_hex().as_bytes())?;
    Ok(Some(Key::of_token(&token)))
}

/// What opens the metrics: the token that is there, so that who scrapes them need not be told of a new Seal. One that others
/// can read is replaced.
pub(super) fn metrics(store: &Store) -> Result<Key, Problem> {
    let path = store.file(METRICS_FILE);
    let private = std::fs::metadata(&path).is_ok_and(|known| known.mode().trailing_zeros() >= 6);
    let known = std::fs::read_to_string(&path).ok().map(Zeroizing::new).filter(|_| private);
    if let Some(known) = known.and_then(|text| text.trim().parse::<SealSecret>().ok()) {
        return Ok(Key::of_token(&known));
    }
    let token = SealSecret::generate().map_err(|error| Problem::new(ErrorCode::Internal, error))?;
    store.write(METRICS_FILE, token.expose_hex().as_bytes())?;
    Ok(Key::of_token(&token))
}

/// Judges a request. The Seal in use counts, and nothing else once there is one; but for what `metrics` opens, too.
pub(super) fn check(
    headers: &HeaderMap,
    seal: Option<Key>,
    token: Option<Key>,
    metrics: Option<Key>,
) -> Result<(), Problem> {
    let refused = |cause: &str| Problem::new(ErrorCode::ApiTokenRefused, cause);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(|| refused("the request carries no token"))?;
    if values.next().is_some() {
        return Err(refused("the request carries more than one token"));
    }
    let bearer = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let secret = bearer.and_then(|text| text.parse::<SealSecret>().ok());
    let secret = secret.ok_or_else(|| refused("that is no Seal secret of 64 characters (0-9, a-f)"))?;
    let open = match (seal, token) {
        (Some(seal), _) => seal.opens(&secret),
        (None, Some(token)) => token.opens(&secret),
        (None, None) => false,
    };
    let scraped = metrics.is_some_and(|metrics| metrics.opens(&secret));
    if open || scraped { Ok(()) } else { Err(refused("that is not what opens this worker's API")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn key(n: u8) -> (SealSecret, Key) {
        let secret: SealSecret = format!("{n:02x}").repeat(32).parse().unwrap();
        let key = Key::of_token(&secret);
        (secret, key)
    }

    fn bearer(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(text).unwrap())])
    }

    fn shown(secret: &SealSecret) -> HeaderMap {
        bearer(&format!("Bearer {}", secret.expose_hex().as_str()))
    }

    #[test]
    fn before_the_first_seal_the_token_opens_and_afterwards_the_seal_alone() {
        let ((token, of_token), (seal, of_seal)) = (key(1), key(2));
        check(&shown(&token), None, Some(of_token), None).unwrap();
        assert!(check(&shown(&seal), None, Some(of_token), None).is_err());
        check(&shown(&seal), Some(of_seal), Some(of_token), None).unwrap();
        assert!(check(&shown(&token), Some(of_seal), Some(of_token), None).is_err());
        assert!(check(&shown(&token), None, None, None).is_err());
    }

    #[test]
    fn nothing_but_one_bearer_is_looked_at() {
        let (secret, key) = key(3);
        let hex = secret.expose_hex();
        check(&bearer(&format!("bearer {}", hex.as_str())), Some(key), None, None).unwrap();
        for bad in ["", "Bearer", "Bearer ", &format!("Basic {}", hex.as_str()), hex.as_str()] {
            assert_eq!(
                check(&bearer(bad), Some(key), None, None).unwrap_err().code,
                ErrorCode::ApiTokenRefused,
                "{bad}"
            );
        }
        let mut twice = shown(&secret);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(check(&twice, Some(key), None, None).unwrap_err().cause.contains("more than one"));
        assert!(check(&HeaderMap::new(), Some(key), None, None).is_err());
    }

    #[test]
    fn a_secret_of_another_position_opens_nothing() {
        let secret: SealSecret = "ab".repeat(32).parse().unwrap();
        let (cluster, position) = (ClusterId(Address::ZERO), PositionId(Address::new([1; 32])));
        let other = Key { cluster, position, commitment: secret.commitment(cluster, PositionId(Address::ZERO)) };
        assert!(check(&shown(&secret), Some(other), None, None).is_err());
    }

    #[test]
    fn a_token_is_the_owners_alone_and_goes_with_the_first_seal() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = issue(&store, false).unwrap().unwrap();
        let path = store.file(TOKEN_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        check(&bearer(&format!("Bearer {text}")), None, Some(key), None).unwrap();
        // The next start has another.
        let next = issue(&store, false).unwrap().unwrap();
        assert!(check(&bearer(&format!("Bearer {text}")), None, Some(next), None).is_err());
        assert!(issue(&store, true).unwrap().is_none());
        assert!(!path.exists());
        assert!(issue(&store, true).unwrap().is_none());
    }

    #[test]
    fn the_metrics_token_stays_and_opens_nothing_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = metrics(&store).unwrap();
        let path = store.file(METRICS_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = bearer(&format!("Bearer {text}"));
        let (_, seal) = self::key(2);
        check(&shown, Some(seal), None, Some(key)).unwrap();
        check(&shown, None, None, Some(key)).unwrap();
        assert!(check(&shown, Some(seal), None, None).is_err());
        // The next start has the same, unless somebody else could read it.
        check(&shown, Some(seal), None, Some(metrics(&store).unwrap())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let next = metrics(&store).unwrap();
        assert!(check(&shown, Some(seal), None, Some(next)).is_err());
        std::fs::write(&path, "damaged").unwrap();
        metrics(&store).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), 64);
    }
}
