//! The rules as other crates use them: bounds to the last entry, names both ways, weights, and who may see what.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod names;
mod publishing;
mod sample;
mod standing;
mod waits;
mod weights;
