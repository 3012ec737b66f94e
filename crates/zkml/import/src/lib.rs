//! (header written with the importer)

pub mod data;
