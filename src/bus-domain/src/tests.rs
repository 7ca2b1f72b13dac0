//! The rules beside each other: bounds to the last entry, names both ways, weights, dead letters, and who may see what.

mod bounds;
mod dead_letters;
mod names;
mod publishing;
mod sample;
mod standing;
mod waits;
mod weights;
