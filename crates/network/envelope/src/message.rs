//! Bodies of requests and answers, sealed end to end between a task's user and its miner.
//!
//! Requests go to the miner's registered key, answers to the result key that the task's owner put
//! on chain. Each is bound to chain, task, miner, request number and direction.

use cyborg_primitives::RequestNumber;
use zeroize::Zeroizing;

use crate::EnvelopeError;
use crate::hpke::{self, PublicKey, SecretKey};
use crate::wrap::Recipient;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the user to the miner.
    Request,
    /// From the miner to the user.
    Answer,
}

/// One request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Chain, task and miner.
    pub recipient: Recipient,
    /// The request's number.
    pub number: RequestNumber,
}

impl Exchange {
    fn info(&self, direction: Direction) -> Vec<u8> {
        let purpose: &[u8] = match direction {
            Direction::Request => b"cyborg request body v1",
            Direction::Answer => b"cyborg answer body v1",
        };
        let mut info = self.recipient.info(purpose);
        info.extend(self.number.to_le_bytes());
        info
    }

    /// Seals a body. `aad` is what goes with it in the clear and must arrive unaltered.
    ///
    /// # Errors
    /// Returns an error if the key is of small order.
    pub fn seal(
        &self,
        direction: Direction,
        to: &PublicKey,
        body: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, EnvelopeError> {
        hpke::seal(to, body, &self.info(direction), aad)
    }

    /// Opens a body.
    ///
    /// # Errors
    /// Returns an error if it was altered, or belongs to another key, exchange or direction, or came with other
    /// `aad`.
    pub fn open(
        &self,
        direction: Direction,
        with: &SecretKey,
        sealed: &[u8],
        aad: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        with.open(sealed, &self.info(direction), aad)
    }
}
