mod chains;
mod envelopes;
mod genuine;
mod payloads;
mod signed;

use super::*;
use crate::testkit::{Chain, NOW};

fn judge(chain: &Chain, document: &[u8]) -> Result<(), VerifyError> {
    verify_document(document, &chain.roots(), NOW).map(|_| ())
}
