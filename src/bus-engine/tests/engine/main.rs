//! The engine as legs see it, on the embedded store.

mod bounces;
mod delivery;
mod fixture;
mod items;
mod rules;
mod tails;
