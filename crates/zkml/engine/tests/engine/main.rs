//! The engine against its reference: random models, windows of every geometry, layers of real sizes.

mod convolution;
mod equivalence;
mod layers;
