//! The place of a machine: a region code, and a cell of about a kilometre. Never an address.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A country or territory, by its two upper-case letters of ISO 3166-1.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Region(pub [u8; 2]);

impl Region {
    /// Whether both bytes are upper-case letters.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0.iter().all(u8::is_ascii_uppercase)
    }
}

/// A cell of a hundredth of a degree each way: at most 1.1 km.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Cell {
    /// Latitude of the cell's south edge in hundredths of a degree: -9000 to 8999.
    pub latitude: i16,
    /// Longitude of the cell's west edge in hundredths of a degree: -18000 to 17999.
    pub longitude: i16,
}

impl Cell {
    /// Whether latitude and longitude are in their ranges.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (-9000..9000).contains(&self.latitude) && (-18000..18000).contains(&self.longitude)
    }
}

/// A declared location.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Location {
    /// The region whose law applies there.
    pub region: Region,
    /// The cell, precise to a kilometre.
    pub cell: Cell,
}

impl Location {
    /// Whether region and cell are in their ranges.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.region.is_valid() && self.cell.is_valid()
    }
}
