/// What a master must show to be registered: the document, the measurement, the endorsement.
#[test_only]
module k3s_daas::registration_tests;

use k3s_daas::attestation;
use k3s_daas::masters::{Self, Paper, ca_spki, config_digest, enclave, endpoint, pcr};
use k3s_daas::nautilus;
use k3s_daas::offices;
use k3s_daas::position;
use k3s_daas::signatures::{key, other_key};
use k3s_daas::slashes;
use k3s_daas::stakes;
use k3s_daas::world::{Self, World, admin, appeal_ms, bytes, owner, stranger, sui};
use std::unit_test::assert_eq;
use sui::nitro_attestation;

const MAX_AGE_MS: u64 = 300_000;
const SKEW_MS: u64 = 60_000;

/// All is ready for the first key's enclave, and what its document says.
fun ready(): (World, Paper) {
    let mut w = world::begin();
    masters::endorsed(&mut w);
    let paper = masters::paper(&mut w, key());
    (w, paper)
}

/// Registers with a changed document.
macro fun register($change: |Paper| -> Paper) {
    let (mut w, paper) = ready();
    masters::register_with(&mut w, key(), $change(paper));
    w.end();
}

/// Registers with a good document and these arguments.
fun register_as(
    sender: address,
    endpoint: vector<u8>,
    ca_spki: vector<u8>,
    config_digest: vector<u8>,
) {
    let (mut w, paper) = ready();
    masters::register_as(&mut w, sender, paper.document(), endpoint, ca_spki, config_digest);
    w.end();
}

// === The arguments ===

#[test, expected_failure(abort_code = nautilus::EBadEndpoint)]
fun an_endpoint_is_https() {
    register_as(enclave(key()), b"http://master:6443", ca_spki(), config_digest())
}

#[test, expected_failure(abort_code = nautilus::EBadEndpoint)]
fun an_endpoint_has_a_host() {
    register_as(enclave(key()), b"https://", ca_spki(), config_digest())
}

#[test, expected_failure(abort_code = nautilus::EBadEndpoint)]
fun an_endpoint_has_at_most_256_bytes() {
    let mut endpoint = b"https://";
    endpoint.append(bytes(0x61, 249));
    register_as(enclave(key()), endpoint, ca_spki(), config_digest())
}

#[test]
fun an_endpoint_may_have_256_bytes() {
    let mut endpoint = b"https://";
    endpoint.append(bytes(0x61, 248));
    register_as(enclave(key()), endpoint, ca_spki(), config_digest())
}

#[test, expected_failure(abort_code = nautilus::EBadDigestLength)]
fun a_cas_digest_is_32_bytes() {
    register_as(enclave(key()), endpoint(), bytes(0x66, 33), config_digest())
}

#[test, expected_failure(abort_code = nautilus::EBadDigestLength)]
fun a_configurations_digest_is_32_bytes() {
    register_as(enclave(key()), endpoint(), ca_spki(), bytes(0x88, 31))
}

#[test, expected_failure(abort_code = nautilus::ENotEnclave)]
fun nobody_registers_an_enclave_but_itself() {
    register_as(owner(), endpoint(), ca_spki(), config_digest())
}

// === Freshness ===

#[test]
fun a_document_may_be_five_minutes_old() {
    let (mut w, paper) = ready();
    w.pass_ms(MAX_AGE_MS);
    masters::register_with(&mut w, key(), paper);
    w.end();
}

#[test, expected_failure(abort_code = attestation::EDocumentAge)]
fun a_stale_document_is_refused() {
    let (mut w, paper) = ready();
    w.pass_ms(MAX_AGE_MS + 1);
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test]
fun an_enclaves_clock_may_be_a_minute_ahead() {
    let (mut w, paper) = ready();
    let made_ms = w.now_ms() + SKEW_MS;
    masters::register_with(&mut w, key(), paper.made_at(made_ms));
    w.end();
}

#[test, expected_failure(abort_code = attestation::EDocumentAge)]
fun a_document_of_the_future_is_refused() {
    let (mut w, paper) = ready();
    let made_ms = w.now_ms() + SKEW_MS + 1;
    masters::register_with(&mut w, key(), paper.made_at(made_ms));
    abort
}

#[test, expected_failure(abort_code = attestation::EDocumentAge)]
fun a_document_of_the_end_of_time_is_refused() {
    register!(|paper| paper.made_at(std::u64::max_value!()));
}

#[test, expected_failure(abort_code = attestation::EBadNonce)]
fun a_document_serves_once() {
    let (mut w, paper) = ready();
    masters::register_with(&mut w, key(), paper);
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = attestation::EBadNonce)]
fun a_document_for_a_later_registration_is_refused() {
    register!(|paper| paper.for_registration(1));
}

#[test, expected_failure(abort_code = attestation::EBadNonce)]
fun a_document_for_another_nautilus_is_refused() {
    register!(|paper| paper.for_nautilus(world::nothing()));
}

#[test, expected_failure(abort_code = attestation::EBadNonce)]
fun a_document_without_a_nonce_is_refused() {
    let (mut w, _) = ready();
    let document = nitro_attestation::document_for_testing(
        w.now_ms(),
        vector[],
        vector[],
        option::some(key()),
        option::some(bytes(1, 32)),
        option::none(),
    );
    masters::register_as(
        &mut w,
        enclave(key()),
        document,
        endpoint(),
        ca_spki(),
        config_digest(),
    );
    abort
}

// === Key ===

#[test, expected_failure(abort_code = attestation::ENoKey)]
fun a_document_without_a_key_is_refused() {
    register!(|paper| paper.with_key(option::none()));
}

#[test, expected_failure(abort_code = attestation::ENoKey)]
fun a_key_that_is_not_ed25519s_is_refused() {
    register!(|paper| paper.with_key(option::some(bytes(1, 33))));
}

#[test, expected_failure(abort_code = nautilus::ENotEnclave)]
fun a_document_for_another_key_is_refused() {
    register!(|paper| paper.with_key(option::some(other_key())));
}

// === Binding ===

#[test, expected_failure(abort_code = attestation::ENotBound)]
fun a_document_for_another_network_is_refused() {
    register!(|paper| paper.for_genesis(bytes(0x6F, 32)));
}

#[test, expected_failure(abort_code = attestation::ENotBound)]
fun a_document_for_another_cluster_is_refused() {
    register!(|paper| paper.for_cluster(world::nothing()));
}

#[test, expected_failure(abort_code = attestation::ENotBound)]
fun a_document_for_another_configuration_is_refused() {
    register!(|paper| paper.bound_to(bytes(0x89, 32), ca_spki()));
}

#[test, expected_failure(abort_code = attestation::ENotBound)]
fun a_document_for_another_ca_is_refused() {
    register!(|paper| paper.bound_to(config_digest(), bytes(0x67, 32)));
}

// === Measurement ===

#[test]
fun pcrs_are_found_by_index() {
    register!(|paper| {
        paper.with_pcrs(vector[8, 0, 16, 2, 1], vector[pcr(8), pcr(0), pcr(16), pcr(2), pcr(1)])
    });
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun pcrs_in_the_right_order_under_wrong_indices_are_refused() {
    register!(|paper| paper.with_pcrs(vector[1, 0, 2], vector[pcr(0), pcr(1), pcr(2)]));
}

#[test, expected_failure(abort_code = attestation::EMissingPcr)]
fun a_document_without_pcr_2_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 3], vector[pcr(0), pcr(1), pcr(2)]));
}

#[test, expected_failure(abort_code = attestation::EDebugEnclave)]
fun an_enclave_whose_pcr_0_is_zero_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 2], vector[bytes(0, 48), pcr(1), pcr(2)]));
}

#[test, expected_failure(abort_code = attestation::EDebugEnclave)]
fun an_enclave_whose_pcr_2_is_zero_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 2], vector[pcr(0), pcr(1), bytes(0, 48)]));
}

#[test, expected_failure(abort_code = attestation::EDebugEnclave)]
fun an_empty_pcr_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 2], vector[pcr(0), vector[], pcr(2)]));
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun an_unknown_image_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 2], vector[pcr(9), pcr(1), pcr(2)]));
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun an_image_with_another_pcr_1_is_refused() {
    register!(|paper| paper.with_pcrs(vector[0, 1, 2], vector[pcr(0), pcr(9), pcr(2)]));
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun an_announced_image_is_refused() {
    let (mut w, _) = ready();
    masters::announce(&mut w, pcr(5));
    let paper = masters::paper(&mut w, key());
    let pcrs = vector[pcr(5), pcr(1), pcr(2)];
    masters::register_with(&mut w, key(), paper.with_pcrs(vector[0, 1, 2], pcrs));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun a_retired_image_is_refused() {
    let (mut w, paper) = ready();
    masters::retire(&mut w, admin(), pcr(0));
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotAllowed)]
fun a_revoked_image_is_refused() {
    let (mut w, paper) = ready();
    masters::revoke_image(&mut w, admin(), pcr(0));
    masters::register_with(&mut w, key(), paper);
    abort
}

// === Endorsement ===

#[test, expected_failure(abort_code = nautilus::ENotEndorsed)]
fun a_key_that_nobody_endorsed_is_refused() {
    let (mut w, _) = ready();
    masters::register(&mut w, other_key());
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotEndorsed)]
fun a_position_endorses_one_key_at_a_time() {
    let (mut w, _) = ready();
    masters::endorse(&mut w, owner(), other_key());
    masters::register(&mut w, key());
    abort
}

#[test, expected_failure(abort_code = nautilus::EBadKeyLength)]
fun an_endorsed_key_is_32_bytes() {
    let (mut w, _) = ready();
    masters::endorse(&mut w, owner(), bytes(1, 31));
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotOperator)]
fun only_an_operators_position_endorses() {
    let (mut w, _) = ready();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    masters::endorse(&mut w, stranger(), key());
    abort
}

#[test, expected_failure(abort_code = nautilus::ENotOperator)]
fun a_position_that_is_no_operators_any_more_answers_for_nobody() {
    let (mut w, paper) = ready();
    offices::set_operators(&mut w, vector[]);
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = position::ENotOwner)]
fun only_its_owner_endorses_with_a_position() {
    let (mut w, _) = ready();
    masters::endorse(&mut w, world::operator(), key());
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_endorses_nobody() {
    let (mut w, _) = ready();
    slashes::propose(&mut w);
    masters::endorse(&mut w, owner(), key());
    abort
}

#[test, expected_failure(abort_code = position::ESuspended)]
fun a_suspended_position_answers_for_nobody_new() {
    let (mut w, paper) = ready();
    slashes::propose(&mut w);
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = position::EClosed)]
fun a_closed_position_answers_for_nobody_new() {
    let (mut w, paper) = ready();
    stakes::unstake(&mut w, owner(), sui(10));
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = position::ESlashed)]
fun a_slashed_position_answers_for_nobody_new() {
    let (mut w, paper) = ready();
    slashes::propose(&mut w);
    w.pass_ms(appeal_ms() + 1);
    slashes::execute(&mut w, stranger());
    masters::register_with(&mut w, key(), paper);
    abort
}

#[test, expected_failure(abort_code = nautilus::EKeyOfAnother)]
fun a_key_has_one_position_for_ever() {
    let mut w = world::begin();
    masters::master(&mut w);
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = w.position();
    offices::set_operators(&mut w, vector[first, second]);
    masters::endorse(&mut w, stranger(), key());
    masters::register(&mut w, key());
    abort
}

#[test]
fun endorsing_a_key_does_not_keep_it_from_its_own_position() {
    let mut w = world::begin();
    masters::master(&mut w);
    let first = w.position();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = w.position();
    offices::set_operators(&mut w, vector[first, second]);
    masters::endorse(&mut w, stranger(), key());
    w.focus(first);
    masters::endorse(&mut w, owner(), other_key());
    masters::endorse(&mut w, owner(), key());
    masters::register(&mut w, key());
    assert_eq!(masters::current(&mut w), 1);
    w.end();
}

#[test]
fun endorsements_of_former_operators_are_forgotten() {
    let (mut w, _) = ready();
    stakes::stake_as(&mut w, stranger(), sui(5), 0, b"", stakes::seal(1));
    let second = w.position();
    let before = masters::endorsement_count(&mut w);
    offices::set_operators(&mut w, vector[second]);
    masters::endorse(&mut w, stranger(), other_key());
    assert_eq!(before, 1);
    assert_eq!(masters::endorsement_count(&mut w), 1);
    w.end();
}
