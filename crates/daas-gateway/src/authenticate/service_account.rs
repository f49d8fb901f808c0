use crate::config::{ConfigError, ServiceAccountConfig};
use crate::refusal::Refusal;
use daas_types::ErrorCode::{ServiceAccountRefused, TokenExpired};
use daas_types::pop::SKEW;
use daas_types::{NodeId, UnixMs};
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// The audience kubelets ask for, beside the issuer itself.
const DEFAULT_AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";

/// A service-account token whose signature and form are right, bound to a pod and a node.
#[derive(Debug)]
pub(crate) struct BoundToken {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) not_before: UnixMs,
    pub(crate) expires: UnixMs,
}

/// Who signs service-account tokens.
pub(crate) struct Issuer {
    name: String,
    key: DecodingKey,
    validation: Validation,
}

/// What a token says before anyone believes it.
#[derive(Deserialize)]
struct Claimed {
    #[serde(default)]
    iss: String,
    aud: Option<Audience>,
    exp: Option<u64>,
    #[serde(default)]
    nbf: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Required all the same, in words that tell more than a parser's.
    #[serde(default)]
    exp: u64,
    #[serde(default)]
    nbf: u64,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Reference,
    pod: Option<Reference>,
    node: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
}

// === impl Issuer ===

impl Issuer {
    pub(crate) fn new(config: &ServiceAccountConfig) -> Result<Self, ConfigError> {
        let pem = config.public_key.as_bytes();
        let (key, algorithm) = DecodingKey::from_ec_pem(pem)
            .map(|key| (key, Algorithm::ES256))
            .or_else(|_| DecodingKey::from_rsa_pem(pem).map(|key| (key, Algorithm::RS256)))
            .map_err(|_| ConfigError::ServiceAccountKey)?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[config.issuer.as_str(), DEFAULT_AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Time is checked at every use, by our clock; see `BoundToken::check`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self { name: config.issuer.clone(), key, validation })
    }

    /// Whether the token could be right by what it says of issuer, audience and time. No proof of anything: it is cheap, and
    /// keeps what can be told from afar from costing a signature.
    pub(crate) fn check_claims(&self, text: &str, now: UnixMs) -> Result<(), Refusal> {
        let claimed = insecure_decode::<Claimed>(text);
        let Claimed { iss, aud, exp, nbf } = claimed.map_err(|error| refused(&format!("no token: {error}")))?.claims;
        let aud = aud.ok_or_else(|| missing("aud"))?;
        let exp = exp.ok_or_else(|| missing("exp"))?;
        if iss != self.name {
            return Err(refused("the token is another issuer's"));
        }
        let ours = |audience: &String| *audience == self.name || audience == DEFAULT_AUDIENCE;
        let meant = match &aud {
            Audience::One(audience) => ours(audience),
            Audience::Many(audiences) => audiences.iter().any(ours),
        };
        if !meant {
            return Err(refused("the token is meant for someone else"));
        }
        in_time(seconds(nbf), seconds(exp), now)
    }

    pub(crate) fn verify(&self, text: &str) -> Result<BoundToken, Refusal> {
        let claims = jsonwebtoken::decode::<Claims>(text, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::MissingRequiredClaim(claim) => missing(claim),
                _ => refused(&format!("the token does not verify: {error}")),
            })?
            .claims;
        let bound = claims.kubernetes.ok_or_else(|| refused("the token is not bound to a pod and a node"))?;
        // Neither has a token without an end, or one minted for use outside the cluster.
        let (Some(_), Some(node)) = (bound.pod, bound.node) else {
            return Err(refused("the token is not bound to a pod and a node"));
        };
        let node = node.name.parse().map_err(|_| refused("the token's node is not a node id"))?;
        if claims.sub != format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name) {
            return Err(refused("the token's subject and claims differ"));
        }
        Ok(BoundToken {
            namespace: bound.namespace,
            name: bound.serviceaccount.name,
            node,
            not_before: seconds(claims.nbf),
            expires: seconds(claims.exp),
        })
    }
}

fn seconds(since_epoch: u64) -> UnixMs {
    UnixMs(since_epoch.saturating_mul(1000))
}

fn in_time(not_before: UnixMs, expires: UnixMs, now: UnixMs) -> Result<(), Refusal> {
    if now >= expires {
        return Err(Refusal::unauthorized(TokenExpired, format!("it expired at {expires}; it is {now}")));
    }
    if not_before > now.plus(SKEW) {
        return Err(Refusal::unauthorized(TokenExpired, format!("not before {not_before}; it is {now}")));
    }
    Ok(())
}

#[track_caller]
fn missing(claim: &str) -> Refusal {
    refused(&format!("no `{claim}` in the token: such as a Secret's, it is not bound to a pod and a node"))
}

#[track_caller]
fn refused(cause: &str) -> Refusal {
    Refusal::unauthorized(ServiceAccountRefused, cause)
}

// === impl BoundToken ===

impl BoundToken {
    pub(super) fn check(&self, now: UnixMs) -> Result<(), Refusal> {
        in_time(self.not_before, self.expires, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::KeyPair;
    use serde_json::json;

    #[test]
    fn a_secrets_token_is_told_what_it_is() {
        let key = KeyPair::generate().unwrap();
        let config = ServiceAccountConfig { issuer: "https://issuer".to_owned(), public_key: key.public_key_pem() };
        let claims = json!({ "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:a:b" });
        let signer = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
        let token = encode(&Header::new(Algorithm::ES256), &claims, &signer).unwrap();
        let refusal = Issuer::new(&config).unwrap().verify(&token).unwrap_err();
        assert!(refusal.cause().contains("a Secret's"), "{}", refusal.cause());
    }
}
