use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const COMPILED: &str = include_str!("../../../../contracts/k3s_daas/compiled.json");
const SEVEN: Address = Address::new([7; 32]);

/// A module of these tables, and what is behind its header.
fn module(tables: &[(u8, u64, u64)], content: &[u8]) -> Vec<u8> {
    let mut code = vec![0xa1, 0x1c, 0xeb, 0x0b, 6, 0, 0, 0];
    leb128(&mut code, tables.len() as u64);
    for (kind, offset, length) in tables {
        code.push(*kind);
        leb128(&mut code, *offset);
        leb128(&mut code, *length);
    }
    code.extend(content);
    code
}

fn leb128(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push((value & 0x7f) as u8);
}

/// A prefix is moved if the whole pool is in it, and left alone otherwise.
fn every_prefix(code: &[u8]) {
    let (moved, end) = (at_address(code, SEVEN), address_pool(code).unwrap().end);
    assert!(moved != code && end <= code.len());
    for length in 0..=code.len() {
        let whole = if length < end { code } else { &moved };
        assert_eq!(at_address(&code[..length], SEVEN), whole[..length], "{length}");
    }
}

#[test]
fn a_modules_own_address_is_replaced_and_nothing_else_is() {
    // 300 needs two bytes; addresses that are not zero, and zeros beside the pool, are no address of its own.
    let mut content = vec![0; 300];
    content.extend([[0; 32], [2; 32], [0; 32]].concat());
    content.extend([0; 40]);
    let code = module(&[(1, 0, 300), (8, 300, 96), (9, 396, 40)], &content);
    let start = code.len() - content.len() + 300;
    let mut expected = code.clone();
    expected[start..start + 32].fill(7);
    expected[start + 64..start + 96].fill(7);
    assert_eq!(at_address(&code, SEVEN), expected);
    every_prefix(&code);
}

#[test]
fn the_compiled_modules_cut_at_every_length() {
    let compiled: Value = serde_json::from_str(COMPILED).unwrap();
    let modules = compiled["modules"].as_object().unwrap();
    assert!(modules.len() > 5);
    for code in modules.values() {
        every_prefix(&STANDARD.decode(code.as_str().unwrap()).unwrap());
    }
}

#[test]
fn numbers_have_32_bits() {
    let read = |mut bytes: &[u8]| number(&mut bytes).map(|value| (value, bytes.len()));
    assert_eq!(read(&[0x7f, 9]), Some((127, 1)));
    assert_eq!(read(&[0xac, 0x02]), Some((300, 0)));
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX as usize, 0)));
    for bad in [&[][..], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0x1f], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]] {
        assert_eq!(read(bad), None, "{bad:x?}");
    }
}

#[test]
fn pools_that_are_not_there_do_no_harm() {
    let most = u64::from(u32::MAX);
    for tables in [&[(8, 0, 33)][..], &[(8, 1, 32)], &[(8, most, most)], &[(8, u64::MAX, 1)], &[(7, 0, 32)], &[]] {
        let code = module(tables, &[0; 32]);
        assert_eq!(at_address(&code, SEVEN), code, "{tables:?}");
    }
    // More tables are announced than there are.
    let mut code = module(&[(8, 0, 32)], &[0; 32]);
    code[HEADER] = 0x7f;
    assert_eq!(at_address(&code, SEVEN), code);
}

fn harmless(code: &[u8]) {
    let moved = at_address(code, SEVEN);
    assert_eq!(moved.len(), code.len());
    // What was moved has no address of its own any more, and going to zero is staying.
    assert_eq!(at_address(&moved, Address::new([8; 32])), moved);
    assert_eq!(at_address(code, Address::ZERO), code);
    assert!(code.iter().zip(&moved).all(|(before, after)| before == after || (*before, *after) == (0, 7)));
}

proptest! {
    #[test]
    fn any_bytes(code in vec(any::<u8>(), 0..200)) {
        harmless(&code);
    }

    #[test]
    fn any_tables(
        tables in vec((7_u8..10, prop_oneof![0..200_u64, any::<u64>()], prop_oneof![0..200_u64, any::<u64>()]), 0..5),
        content in vec(prop_oneof![9 => Just(0_u8), 1 => any::<u8>()], 0..200),
    ) {
        harmless(&module(&tables, &content));
    }
}
