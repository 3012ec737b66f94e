//! Stores encrypted files with parties that are not trusted, and gets them back.
//!
//! | module | content |
//! |---|---|
//! | [`storage`] | the [`storage::FileStore`] trait: files by id; upload, download, resumed where they broke off |
//! | [`coded`] | a `FileStore` of fragments over several locations: Reed–Solomon, 4 of 12, repair |
//! | [`manifest`] | what a file is made of, signed by its owner; its BLAKE3 is the file's id |
//! | [`store`] | the [`store::FragmentStore`] trait: a location that keeps fragments and manifests |
//! | [`node`] | a location: our storage node, over HTTP |
//! | [`object`] | a location: a folder or an S3-compatible bucket |
//! | [`cess`] | a `FileStore` behind a CESS DeOSS gateway |
//! | [`access`] | the token that lets a request change what a node holds |
//! | [`error`] | what can go wrong |
//!
//! What is stored is a [`cyborg_disk::sealed::Sealed`], and nothing else can be: no back end sees
//! plaintext. What comes back is checked against the id. Memory is bounded whatever the size of a
//! file: a few stripes of 4 MiB.

pub mod access;
pub mod cess;
mod code;
pub mod coded;
pub mod error;
mod http;
pub mod manifest;
pub mod node;
pub mod object;
pub mod storage;
pub mod store;
