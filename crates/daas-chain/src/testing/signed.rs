use super::{TestChain, TestTransaction};
use crate::verified::{Claim, ClaimedSignature, Committee, Proven, prove};
use daas_types::onchain::{Event, TreasuryPaid};
use daas_types::{Address, ClusterId, Mist, PackageId, UnixMs, WalletAddress};
use sui_crypto::bls12381::{Bls12381PrivateKey, ValidatorCommitteeSignatureAggregator};
use sui_sdk_types::{ValidatorCommittee, ValidatorCommitteeMember};

/// A checkpoint as a server hands it over, and the committee that signed it: to measure what verifying it costs.
pub struct SignedCheckpoint {
    claim: Claim,
    committee: ValidatorCommittee,
}

// === impl SignedCheckpoint ===

impl SignedCheckpoint {
    /// Of `transactions` with one event each, signed by as many of `validators` with equal stake as it takes.
    pub fn new(validators: u8, transactions: u64) -> Self {
        let transactions: Vec<_> = (0..transactions).map(transaction).collect();
        let mut claim = TestChain::new(1).append(UnixMs(1), &transactions, false);
        let summary = claim.signed_summary().expect("the claim must decode").checkpoint;
        let keys: Vec<_> = (1..=validators).map(key).collect();
        let member = |key: &Bls12381PrivateKey| ValidatorCommitteeMember { public_key: key.public_key(), stake: 1 };
        let committee = ValidatorCommittee { epoch: 0, members: keys.iter().map(member).collect() };
        let mut votes = ValidatorCommitteeSignatureAggregator::new_checkpoint_summary(committee.clone(), &summary)
            .expect("the keys must be keys");
        for key in keys.iter().take(usize::from(validators) * 2 / 3 + 1) {
            votes.add_signature(key.sign_checkpoint_summary(&summary)).expect("a member must have signed");
        }
        let signature = votes.finish().expect("they must be enough");
        let mut bitmap = Vec::new();
        signature.bitmap.serialize_into(&mut bitmap).expect("a vector takes all bytes");
        let bytes = signature.signature.as_bytes().to_vec();
        claim.signature = Some(ClaimedSignature { epoch: 0, signature: bytes.into(), bitmap: bitmap.into() });
        Self { claim, committee }
    }

    /// What has to be done once an epoch: all keys are checked.
    pub fn committee(&self) -> Committee {
        Committee::new(self.committee.clone()).expect("the keys must be keys")
    }

    /// Every check.
    pub fn verify(&self, committee: &Committee) -> Proven {
        prove(1, &self.claim, committee).expect("the claim must be true")
    }
}

fn transaction(n: u64) -> TestTransaction {
    let (cluster, beneficiary) = (ClusterId(Address::ZERO), WalletAddress(Address::ZERO));
    let paid = Event::TreasuryPaid(TreasuryPaid { cluster, amount: Mist(n), beneficiary });
    TestTransaction::of(PackageId(Address::ZERO), &[paid])
}

fn key(n: u8) -> Bls12381PrivateKey {
    let mut scalar = [0; Bls12381PrivateKey::LENGTH];
    scalar[31] = n;
    Bls12381PrivateKey::new(scalar).expect("the scalar must be in the group")
}
