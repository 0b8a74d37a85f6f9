use std::collections::HashSet;

use domain::ids::TenantId;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use uuid::Uuid;

use super::{
    super::place::{Field, Table},
    *,
};

const ID: KeyId = KeyId(3);

fn place() -> Place {
    Place::new(TenantId("t1".into()), Table::Destination, Uuid::from_u128(1), Field::StreamKey)
}

fn sealed(value: &[u8]) -> Vec<u8> {
    seal(&Kek::of(1), ID, &place(), value, &SystemRandom::new()).expect("seals")
}

#[test]
fn opens_what_it_sealed() {
    for value in [b"".as_slice(), b"k", &[0; 512]] {
        let sealed = sealed(value);
        assert_eq!(sealed.len(), SHORTEST + value.len());
        assert_eq!(key_id(&sealed), Ok(ID));
        assert_eq!(open(&Kek::of(1), &place(), &sealed).expect("opens").as_slice(), value);
    }
}

#[test]
fn opens_nowhere_else() {
    let sealed = sealed(b"live_abcdef");
    let elsewhere = [
        Place { tenant: TenantId("t2".into()), ..place() },
        Place { record: Uuid::from_u128(2), ..place() },
        Place { table: Table::Stream.as_str().into(), ..place() },
        Place { field: Field::IngestKey.as_str().into(), ..place() },
        // The same letters, cut elsewhere.
        Place { tenant: TenantId("t1destin".into()), table: "ation".into(), ..place() },
    ];
    for place in elsewhere {
        assert_eq!(open(&Kek::of(1), &place, &sealed).err(), Some(OpenError::Forged), "{place:?}");
    }
    assert_eq!(open(&Kek::of(2), &place(), &sealed).err(), Some(OpenError::Forged));
}

#[test]
fn every_truncation_and_every_changed_bit_is_refused() {
    let whole = sealed(b"live_abcdef");
    for length in 0..whole.len() {
        assert!(open(&Kek::of(1), &place(), &whole[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(open(&Kek::of(1), &place(), &[]).err(), Some(OpenError::Truncated));
    assert_eq!(open(&Kek::of(1), &place(), &whole[..SHORTEST - 1]).err(), Some(OpenError::Truncated));
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { OpenError::Version } else { OpenError::Forged };
        assert_eq!(open(&Kek::of(1), &place(), &changed).err(), Some(expected), "bit {bit}");
    }
}

#[test]
fn parts_of_two_seals_do_not_mix() {
    let (a, b) = (sealed(b"live_aaaaaa"), sealed(b"live_bbbbbb"));
    let cut = HEADER + NONCE + WRAPPED;
    let mixed = [&a[..cut], &b[cut..]].concat();
    assert_eq!(open(&Kek::of(1), &place(), &mixed).err(), Some(OpenError::Forged));
    // A wrapped data key in the place of the value.
    let swapped = [&a[..cut], &a[HEADER..cut]].concat();
    assert_eq!(open(&Kek::of(1), &place(), &swapped).err(), Some(OpenError::Forged));
}

#[test]
fn a_hundred_thousand_seals_repeat_no_nonce() {
    let (kek, place, random) = (Kek::of(1), place(), SystemRandom::new());
    let mut seen = HashSet::with_capacity(200_000);
    for _ in 0..100_000 {
        let sealed = seal(&kek, ID, &place, b"k", &random).expect("seals");
        let parts = parse(&sealed).expect("parses");
        assert!(seen.insert(parts.wrap_nonce), "a wrap nonce came twice");
        assert!(seen.insert(parts.nonce), "a nonce came twice");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&Kek::of(1), &place(), &bytes).is_err());
        let _ = key_id(&bytes);
    }

    #[test]
    fn any_value_comes_back(value in prop::collection::vec(any::<u8>(), 0..600), tenant in "\\PC{0,40}") {
        let place = Place { tenant: TenantId(tenant), ..place() };
        let sealed = seal(&Kek::of(1), ID, &place, &value, &SystemRandom::new()).expect("seals");
        prop_assert_eq!(open(&Kek::of(1), &place, &sealed).expect("opens").to_vec(), value);
    }
}
