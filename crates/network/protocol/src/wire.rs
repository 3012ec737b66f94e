//! What a user and a miner say to each other, as bytes. `docs/miner.md` has the same as tables.
//!
//! ```text
//! request  sealed to the miner's key, as `cyborg_envelope::message` has it:
//!          authorisation 96 | signature 64 | opening of the inputs
//! answer   receipt 112 | signature 64 | sealed to the task's result key, bound to what precedes:
//!          opening of the outputs
//! ```
//!
//! Authorisation and receipt are SCALE's fixed-width encoding (crate `cyborg-primitives`), openings
//! those of the crate `zkml-verifier`, signatures sr25519.

use codec::{Decode, Encode};
use cyborg_account::verify;
use cyborg_envelope::hpke::{PublicKey, SecretKey};
use cyborg_envelope::message::{Direction, Exchange};
use cyborg_envelope::wrap::Recipient;
use cyborg_primitives::signed::{Acknowledgement, Authorisation, Payload as _, Receipt};
use cyborg_primitives::{Account, Digest};
use thiserror::Error;
use zeroize::Zeroizing;
use zkml_verifier::Opening;

/// Bytes of an sr25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
const AUTHORISATION_BYTES: usize = 96;
const RECEIPT_BYTES: usize = 112;
const ACKNOWLEDGEMENT_BYTES: usize = 48;

/// Why bytes are not a request, an answer or an acknowledgement.
#[derive(Debug, Error)]
pub enum WireError {
    /// Too few bytes.
    #[error("{what} of {got} bytes; at least {expected} are needed")]
    Short {
        /// What was read.
        what: &'static str,
        /// Fewest bytes.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// It was sealed for another key, task, miner or number, or altered.
    #[error(transparent)]
    Envelope(#[from] cyborg_envelope::EnvelopeError),
    /// Its content does not decode.
    #[error("{what} cannot be read")]
    Undecodable {
        /// What was read.
        what: &'static str,
    },
    /// The opening cannot be decoded.
    #[error(transparent)]
    Opening(#[from] zkml_verifier::FormatError),
    /// The miner did not sign the receipt.
    #[error("the receipt is not signed by the miner")]
    Signature,
    /// The receipt is for another request.
    #[error("the receipt is for another request")]
    OtherRequest,
}

/// One request to one miner on one chain.
#[must_use]
pub fn exchange(genesis: Digest, authorisation: &Authorisation) -> Exchange {
    let Authorisation { task, miner, number, .. } = *authorisation;
    Exchange { recipient: Recipient { genesis, task, miner }, number }
}

/// A request before it is sealed.
pub struct Request {
    /// What the owner authorises.
    pub authorisation: Authorisation,
    /// Signature of the owner or its delegate.
    pub signature: [u8; SIGNATURE_BYTES],
    /// Opens the authorised input.
    pub opening: Opening,
}

impl Request {
    /// Seals a request to a miner's registered key.
    ///
    /// # Errors
    /// Returns an error if nothing can be sealed to the key.
    pub fn seal(&self, genesis: Digest, to: &PublicKey) -> Result<Vec<u8>, WireError> {
        let mut bytes = Zeroizing::new(self.authorisation.encode());
        bytes.extend(self.signature);
        bytes.extend(&self.opening.to_bytes()[..]);
        Ok(exchange(genesis, &self.authorisation).seal(Direction::Request, to, &bytes, &[])?)
    }

    /// Opens a request that was sent for this exchange.
    ///
    /// # Errors
    /// Returns an error if it was sealed for another, or does not decode.
    pub fn open(exchange: &Exchange, with: &SecretKey, sealed: &[u8]) -> Result<Self, WireError> {
        let bytes = exchange.open(Direction::Request, with, sealed, &[])?;
        let mut rest = &bytes[..];
        let (authorisation, signature) = signed(&mut rest, "a request", AUTHORISATION_BYTES)?;
        Ok(Self { authorisation, signature, opening: Opening::from_bytes(rest)? })
    }
}

/// An answer: what the miner signs, and the output, sealed to the result key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The receipt that the miner signed.
    pub receipt: Receipt,
    /// The miner's signature.
    pub signature: [u8; SIGNATURE_BYTES],
    /// Opening of the outputs.
    sealed: Vec<u8>,
}

impl Answer {
    /// Seals the outputs of an opening to a task's result key.
    ///
    /// # Errors
    /// Returns an error if nothing can be sealed to the key.
    pub fn seal(
        exchange: &Exchange,
        to: &PublicKey,
        receipt: Receipt,
        signature: [u8; SIGNATURE_BYTES],
        opening: &Opening,
        inputs: usize,
    ) -> Result<Self, WireError> {
        let tensors = opening.tensors.iter().enumerate();
        let outputs = tensors.map(|(position, tensor)| tensor.clone().filter(|_| position >= inputs));
        let outputs = Opening { key: opening.key, tensors: outputs.collect() };
        let mut answer = Self { receipt, signature, sealed: Vec::new() };
        answer.sealed = exchange.seal(Direction::Answer, to, &outputs.to_bytes(), &answer.head())?;
        Ok(answer)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = self.receipt.encode();
        head.extend(self.signature);
        head
    }

    /// The answer as it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend(&self.sealed);
        bytes
    }

    /// Reads an answer, and checks that the miner has signed it for this request.
    ///
    /// # Errors
    /// Returns an error if the bytes do not decode, name another request, or are not signed by the miner.
    pub fn from_bytes(
        bytes: &[u8],
        genesis: &Digest,
        authorisation: &Authorisation,
    ) -> Result<Self, WireError> {
        let mut rest = bytes;
        let (receipt, signature): (Receipt, _) = signed(&mut rest, "an answer", RECEIPT_BYTES)?;
        let Authorisation { task, miner, number, input, .. } = *authorisation;
        if receipt != (Receipt { task, miner, number, input, output: receipt.output }) {
            return Err(WireError::OtherRequest);
        }
        if !verify(&miner, &receipt.payload(genesis), &signature) {
            return Err(WireError::Signature);
        }
        Ok(Self { receipt, signature, sealed: rest.to_vec() })
    }

    /// The opening of the outputs: values, and the blinds under which the receipt names them.
    ///
    /// # Errors
    /// Returns an error if it was sealed to another key or altered.
    pub fn open(&self, exchange: &Exchange, with: &SecretKey) -> Result<Opening, WireError> {
        let bytes = exchange.open(Direction::Answer, with, &self.sealed, &self.head())?;
        Ok(Opening::from_bytes(&bytes)?)
    }
}

/// Reads an acknowledgement: its 48 bytes, and the signature of owner or delegate.
///
/// # Errors
/// Returns an error if the bytes do not decode, or none of these accounts has signed them.
pub fn acknowledgement(
    bytes: &[u8],
    genesis: &Digest,
    signers: &[Account],
) -> Result<(Acknowledgement, [u8; SIGNATURE_BYTES]), WireError> {
    let mut rest = bytes;
    let (acknowledgement, signature): (Acknowledgement, _) =
        signed(&mut rest, "an acknowledgement", ACKNOWLEDGEMENT_BYTES)?;
    if !rest.is_empty() {
        return Err(WireError::Undecodable { what: "an acknowledgement" });
    }
    let payload = acknowledgement.payload(genesis);
    if signers.iter().any(|signer| verify(signer, &payload, &signature)) {
        Ok((acknowledgement, signature))
    } else {
        Err(WireError::Signature)
    }
}

/// A value of fixed width, and the signature after it.
fn signed<T: Decode>(
    rest: &mut &[u8],
    what: &'static str,
    width: usize,
) -> Result<(T, [u8; SIGNATURE_BYTES]), WireError> {
    let short = || WireError::Short { what, expected: width + SIGNATURE_BYTES, got: rest.len() };
    let (mut head, tail) = rest.split_at_checked(width).ok_or_else(short)?;
    let (signature, tail) = tail.split_first_chunk().ok_or_else(short)?;
    let value = T::decode(&mut head).map_err(|_| WireError::Undecodable { what })?;
    if !head.is_empty() {
        return Err(WireError::Undecodable { what });
    }
    *rest = tail;
    Ok((value, *signature))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use cyborg_account::{Signing, keys};

    const GENESIS: Digest = [9; 32];

    #[test]
    fn widths_are_those_of_the_encodings() {
        let authorisation =
            Authorisation { task: 1, miner: [2; 32], number: 3, input: [4; 32], price_cap: 5 };
        assert_eq!(authorisation.encode().len(), AUTHORISATION_BYTES);
        let receipt = Receipt { task: 1, miner: [2; 32], number: 3, input: [4; 32], output: [5; 32] };
        assert_eq!(receipt.encode().len(), RECEIPT_BYTES);
        let acknowledgement = Acknowledgement { task: 1, miner: [2; 32], through: 3 };
        assert_eq!(acknowledgement.encode().len(), ACKNOWLEDGEMENT_BYTES);
    }

    #[test]
    fn requests_and_answers_arrive_as_they_were_sent_and_only_where_they_belong() {
        let miner_key = keys::from_seed(&[1; 32]).unwrap();
        let (hpke, result) = (SecretKey::from_seed(&[2; 32]), SecretKey::from_seed(&[3; 32]));
        let authorisation =
            Authorisation { task: 1, miner: miner_key.account(), number: 3, input: [4; 32], price_cap: 5 };
        let opening = Opening { key: [6; 32], tensors: vec![Some((vec![7, -8], vec![Default::default()]))] };
        let request = Request { authorisation, signature: [5; 64], opening };
        let sealed = request.seal(GENESIS, &hpke.public()).unwrap();
        let exchange = exchange(GENESIS, &authorisation);
        let opened = Request::open(&exchange, &hpke, &sealed).unwrap();
        assert_eq!(opened.authorisation, authorisation);
        assert_eq!(opened.signature, [5; 64]);
        assert_eq!(*opened.opening.to_bytes(), *request.opening.to_bytes());
        let elsewhere = Exchange { number: 4, ..exchange };
        assert!(matches!(Request::open(&elsewhere, &hpke, &sealed), Err(WireError::Envelope(_))));
        assert!(matches!(Request::open(&exchange, &result, &sealed), Err(WireError::Envelope(_))));
        for length in 0..sealed.len() {
            assert!(Request::open(&exchange, &hpke, &sealed[..length]).is_err());
        }

        let receipt =
            Receipt { task: 1, miner: miner_key.account(), number: 3, input: [4; 32], output: [5; 32] };
        let signature = Signing::sign(&miner_key, &receipt.payload(&GENESIS));
        let full = Opening {
            key: [6; 32],
            tensors: vec![
                Some((vec![7, -8], vec![Default::default()])),
                Some((vec![9], vec![Default::default()])),
            ],
        };
        let answer = Answer::seal(&exchange, &result.public(), receipt, signature, &full, 1).unwrap();
        let bytes = answer.to_bytes();
        let read = Answer::from_bytes(&bytes, &GENESIS, &authorisation).unwrap();
        assert_eq!(read, answer);
        let outputs = read.open(&exchange, &result).unwrap();
        assert!(outputs.tensors[0].is_none());
        assert_eq!(outputs.tensors[1].as_ref().unwrap().0, [9]);
        assert!(read.open(&exchange, &hpke).is_err());
        let other = Authorisation { input: [0; 32], ..authorisation };
        assert!(matches!(Answer::from_bytes(&bytes, &GENESIS, &other), Err(WireError::OtherRequest)));
        assert!(matches!(Answer::from_bytes(&bytes, &[8; 32], &authorisation), Err(WireError::Signature)));
        let mut altered = bytes.clone();
        altered[80] ^= 1;
        assert!(matches!(Answer::from_bytes(&altered, &GENESIS, &authorisation), Err(WireError::Signature)));
        for length in 0..RECEIPT_BYTES + SIGNATURE_BYTES {
            let short = Answer::from_bytes(&bytes[..length], &GENESIS, &authorisation);
            assert!(matches!(short, Err(WireError::Short { .. })));
        }
    }

    #[test]
    fn acknowledgements_are_the_owners_or_the_delegates() {
        let (owner, other) = (keys::from_seed(&[1; 32]).unwrap(), keys::from_seed(&[2; 32]).unwrap());
        let word = Acknowledgement { task: 1, miner: [2; 32], through: 3 };
        let mut bytes = word.encode();
        bytes.extend(Signing::sign(&owner, &word.payload(&GENESIS)));
        let signers = [other.account(), owner.account()];
        assert_eq!(acknowledgement(&bytes, &GENESIS, &signers).unwrap().0, word);
        let refused = acknowledgement(&bytes, &GENESIS, &[other.account()]);
        assert!(matches!(refused, Err(WireError::Signature)));
        bytes.push(0);
        assert!(matches!(acknowledgement(&bytes, &GENESIS, &signers), Err(WireError::Undecodable { .. })));
    }
}
