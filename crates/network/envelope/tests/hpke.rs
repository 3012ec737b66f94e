//! HPKE against RFC 9180's published vectors; wraps and messages open for nothing but their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use cyborg_envelope::hpke::{OVERHEAD_BYTES, PublicKey, SecretKey, seal};
use cyborg_envelope::message::{Direction, Exchange};
use cyborg_envelope::wrap::{Recipient, unwrap, wrap};
use cyborg_envelope::{ContentKey, EnvelopeError};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The working group's `test-vectors.json` (commit 5f503c5, the RFC's), mode base, KEM 0x0020,
/// KDF 0x0001, AEAD 0x0002, first encryption.
#[test]
fn published_vector() {
    let seed = hex("dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee");
    let public = hex("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
    let mut sealed = hex("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
    sealed.extend(hex(
        "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
    ));
    let secret = SecretKey::from_seed(&seed.try_into().unwrap());
    assert_eq!(secret.public().0[..], public);
    let opened = secret.open(&sealed, b"Ode on a Grecian Urn", b"Count-0").unwrap();
    assert_eq!(opened[..], *b"Beauty is truth, truth beauty");
}

#[test]
fn every_altered_byte_is_refused() {
    let secret = SecretKey::generate().unwrap();
    let sealed = seal(&secret.public(), b"body", b"info", b"aad").unwrap();
    assert_eq!(sealed.len(), 4 + OVERHEAD_BYTES);
    assert_eq!(secret.open(&sealed, b"info", b"aad").unwrap()[..], *b"body");
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 0x40;
        assert!(matches!(secret.open(&altered, b"info", b"aad"), Err(EnvelopeError::NotForThisKey)), "{at}");
    }
    for length in 0..sealed.len() {
        assert!(secret.open(&sealed[..length], b"info", b"aad").is_err(), "{length}");
    }
    for length in [0, 31, 32, 47] {
        let short = secret.open(&sealed[..length], b"info", b"aad");
        assert!(matches!(short, Err(EnvelopeError::ShortMessage { .. })), "{length}");
    }
    assert!(secret.open(&sealed, b"other", b"aad").is_err());
    assert!(secret.open(&sealed, b"info", b"other").is_err());
    assert!(SecretKey::generate().unwrap().open(&sealed, b"info", b"aad").is_err());
}

#[test]
fn keys_of_small_order_are_refused() {
    // Zero, one, and the points of order 8 of RFC 7748's curve.
    let mut one = [0; 32];
    one[0] = 1;
    let eight = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    let other = hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157");
    for key in [[0; 32], one, eight.try_into().unwrap(), other.try_into().unwrap()] {
        assert!(matches!(seal(&PublicKey(key), b"", b"", b""), Err(EnvelopeError::BadPublicKey)));
    }
}

#[test]
fn a_wrapped_key_opens_for_its_miner_of_its_task_only() {
    let secret = SecretKey::generate().unwrap();
    let recipient = Recipient { genesis: [1; 32], task: 2, miner: [3; 32] };
    let key = ContentKey::generate().unwrap();
    let wrapped = wrap(&key, &secret.public(), &recipient).unwrap();
    assert_eq!(wrapped.len(), 80);
    assert_eq!(unwrap(&wrapped, &secret, &recipient).unwrap().expose(), key.expose());
    for other in [
        Recipient { genesis: [0; 32], ..recipient },
        Recipient { task: 3, ..recipient },
        Recipient { miner: [0; 32], ..recipient },
    ] {
        assert!(matches!(unwrap(&wrapped, &secret, &other), Err(EnvelopeError::NotForThisKey)));
    }
    let stranger = SecretKey::generate().unwrap();
    assert!(matches!(unwrap(&wrapped, &stranger, &recipient), Err(EnvelopeError::NotForThisKey)));
    for wrong in [&wrapped[..79], &[&wrapped[..], &[0]].concat()] {
        assert!(matches!(unwrap(wrong, &secret, &recipient), Err(EnvelopeError::WrappedKeyLength { .. })));
    }
    assert_ne!(wrap(&key, &secret.public(), &recipient).unwrap(), wrapped);
}

#[test]
fn a_body_belongs_to_its_exchange_and_direction() {
    let secret = SecretKey::generate().unwrap();
    let recipient = Recipient { genesis: [1; 32], task: 2, miner: [3; 32] };
    let exchange = Exchange { recipient, number: 4 };
    let sealed = exchange.seal(Direction::Request, &secret.public(), b"digits", b"head").unwrap();
    let opened = exchange.open(Direction::Request, &secret, &sealed, b"head").unwrap();
    assert_eq!(opened[..], *b"digits");
    assert!(exchange.open(Direction::Answer, &secret, &sealed, b"head").is_err());
    assert!(exchange.open(Direction::Request, &secret, &sealed, b"").is_err());
    let next = Exchange { number: 5, ..exchange };
    assert!(next.open(Direction::Request, &secret, &sealed, b"head").is_err());
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?} {:?}", SecretKey::from_seed(&[7; 32]), ContentKey::from_bytes([7; 32]));
    assert_eq!(shown, "SecretKey(secret) ContentKey(secret)");
}
