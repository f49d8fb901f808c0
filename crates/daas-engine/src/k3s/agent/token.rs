use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What an agent joins with, as K3s writes it: who it is, and the CA by which it knows its server. The CA is meant as the server
/// sends it, byte for byte, and has to be one certificate.
pub fn token(ca_pem: &str, secret: &str) -> Zeroizing<String> {
    let ca = hex::encode(Sha256::digest(ca_pem));
    Zeroizing::new(format!("K10{ca}::node:{secret}"))
}
