//! Frames: a little-endian `u32` length and so many bytes.

use std::io::{self, Read, Write};

use crate::SessionError;

/// One end of a session.
pub(crate) struct Frames<S> {
    pub(crate) stream: S,
}

impl<S: Read + Write> Frames<S> {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let length = u32::try_from(bytes.len()).map_err(|_| SessionError::FrameTooLong {
            frame: "frame",
            got: bytes.len(),
            limit: u32::MAX as usize,
        })?;
        let mut frame = Vec::with_capacity(4 + bytes.len());
        frame.extend(length.to_le_bytes());
        frame.extend(bytes);
        Ok(self.stream.write_all(&frame)?)
    }

    /// Receives a frame of at most `limit` bytes; what is allocated follows what arrives.
    pub(crate) fn receive(&mut self, frame: &'static str, limit: usize) -> Result<Vec<u8>, SessionError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let got = u32::from_le_bytes(length) as usize;
        if got > limit {
            return Err(SessionError::FrameTooLong { frame, got, limit });
        }
        let mut bytes = Vec::new();
        (&mut self.stream).take(got as u64).read_to_end(&mut bytes)?;
        if bytes.len() < got {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes)
    }

    pub(crate) fn receive_exact<const N: usize>(
        &mut self,
        frame: &'static str,
    ) -> Result<[u8; N], SessionError> {
        let bytes = self.receive(frame, N)?;
        bytes.as_slice().try_into().map_err(|_| SessionError::FrameLength {
            frame,
            got: bytes.len(),
            expected: N,
        })
    }
}
