//! The engine as legs see it, on the embedded store.

mod delivery;
mod fixture;
mod items;
mod retention;
mod rules;
mod tails;
