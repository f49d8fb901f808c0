use super::*;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

/// Of any entry, as RFC 9162 has it.
fn leaf(entry: &[u8]) -> Digest {
    Digest(Sha256::new_with_prefix([0]).chain_update(entry).finalize().into())
}

fn leaves(n: u64) -> Vec<Digest> {
    (0..n).map(|i| leaf(&i.to_le_bytes())).collect()
}

/// MTH of RFC 9162, word for word.
fn definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of_bytes(&[]),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(usize::try_from(split(many.len() as u64)).unwrap());
            Digest::node(&definition(left), &definition(right))
        }
    }
}

fn build(mut builder: ProofBuilder, leaves: &[Digest]) -> Vec<Digest> {
    for (i, leaf) in leaves.iter().enumerate() {
        builder.push(i as u64, *leaf);
    }
    builder.finish().unwrap()
}

fn at(leaves: &[Digest], n: u64) -> &[Digest] {
    &leaves[..usize::try_from(n).unwrap()]
}

/// The roots of the eight test entries that certificate-transparency implementations share.
#[test]
fn known_roots() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::default();
    for (entry, root) in entries.iter().zip(roots) {
        tree.push(leaf(entry));
        assert_eq!(tree.root().to_string(), root);
    }
}

#[test]
fn a_growing_tree_has_the_defined_root() {
    let all = leaves(300);
    let mut tree = Frontier::default();
    for n in 0..=300u64 {
        assert_eq!(tree.root(), definition(at(&all, n)), "{n} leaves");
        assert!(tree.is_sound());
        if let Some(leaf) = all.get(usize::try_from(n).unwrap()) {
            tree.push(*leaf);
        }
    }
}

#[test]
fn every_proof_of_small_trees_holds_and_no_other_place_does() {
    for size in 1..=33u64 {
        let all = leaves(size);
        let root = definition(&all);
        for index in 0..size {
            let leaf = all[usize::try_from(index).unwrap()];
            let path = build(ProofBuilder::inclusion(index, size).unwrap(), &all);
            assert!(inclusion_holds(leaf, index, size, &path, root), "{index} in {size}");
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(!inclusion_holds(leaf, other, size, &path, root), "{index} as {other} in {size}");
            }
        }
        for old in 0..=size {
            let proof = build(ProofBuilder::consistency(old, size).unwrap(), &all);
            assert!(consistency_holds(old, definition(at(&all, old)), size, root, &proof), "{old} in {size}");
        }
    }
    assert!(ProofBuilder::inclusion(3, 3).is_none());
    assert!(ProofBuilder::consistency(4, 3).is_none());
}

proptest! {
    #[test]
    fn a_changed_proof_does_not_hold(size in 2u64..400, a in any::<u64>(), which in any::<u16>(), bit in 0usize..256) {
        let (index, all) = (a % size, leaves(size));
        let root = definition(&all);
        let flip = |path: &mut Vec<Digest>| {
            let n = path.len();
            path[usize::from(which) % n].0[bit / 8] ^= 1 << (bit % 8);
        };
        let mut path = build(ProofBuilder::inclusion(index, size).unwrap(), &all);
        let leaf = all[usize::try_from(index).unwrap()];
        prop_assert!(inclusion_holds(leaf, index, size, &path, root));
        flip(&mut path);
        prop_assert!(!inclusion_holds(leaf, index, size, &path, root));
        let old = 1 + a % (size - 1);
        let old_root = definition(at(&all, old));
        let mut proof = build(ProofBuilder::consistency(old, size).unwrap(), &all);
        prop_assert!(consistency_holds(old, old_root, size, root, &proof));
        flip(&mut proof);
        prop_assert!(!consistency_holds(old, old_root, size, root, &proof));
    }

    #[test]
    fn foreign_proofs_never_panic(
        index: u64, size: u64, old: u64, new: u64,
        path in prop::collection::vec(any::<[u8; 32]>().prop_map(Digest), 0..70),
    ) {
        let root = Digest([7; 32]);
        prop_assert!(!inclusion_holds(Digest([1; 32]), index, size, &path, root));
        prop_assert!(!consistency_holds(old, Digest([2; 32]), new, root, &path));
    }
}
