//! Transcripts for tests: one that keeps a record, and one whose challenges are known before.

use zkml_core::random::Random;
use zkml_core::transcript::{Aborted, HashTranscript, Transcript};
use zkml_verifier::PROTOCOL;

/// What happened on a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Data absorbed under a label.
    Absorbed(&'static str, Vec<u8>),
    /// A challenge drawn under a label.
    Challenge(&'static str, Vec<u8>),
}

/// Fiat–Shamir, with a record.
pub struct Recorder {
    inner: HashTranscript,
    /// In order.
    pub events: Vec<Event>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::of(HashTranscript::new(PROTOCOL))
    }
}

impl Recorder {
    /// A record of what happens on a transcript.
    #[must_use]
    pub fn of(inner: HashTranscript) -> Self {
        Self { inner, events: Vec::new() }
    }

    /// The challenges drawn, in order.
    #[must_use]
    pub fn challenges(&self) -> Vec<&[u8]> {
        let events = self.events.iter();
        let challenges = events.filter_map(|event| match event {
            Event::Challenge(_, bytes) => Some(bytes.as_slice()),
            Event::Absorbed(..) => None,
        });
        challenges.collect()
    }
}

impl Transcript for Recorder {
    fn absorb(&mut self, label: &'static str, data: &[u8]) {
        self.events.push(Event::Absorbed(label, data.to_vec()));
        self.inner.absorb(label, data);
    }

    fn squeeze(&mut self, label: &'static str) -> Result<[u8; 64], Aborted> {
        let bytes = self.inner.squeeze(label)?;
        self.events.push(Event::Challenge(label, bytes.to_vec()));
        Ok(bytes)
    }
}

/// Challenges that depend on nothing that is absorbed: whoever knows them before is no verifier.
pub struct Known(Random);

impl Known {
    /// The challenges that follow from a seed.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self(Random::new("known challenges", &[seed; 32], &[]))
    }
}

impl Transcript for Known {
    fn absorb(&mut self, _: &'static str, _: &[u8]) {}

    fn squeeze(&mut self, _: &'static str) -> Result<[u8; 64], Aborted> {
        let mut bytes = [0; 64];
        self.0.fill(&mut bytes);
        Ok(bytes)
    }
}
