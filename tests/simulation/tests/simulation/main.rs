//! The simulation's runs, and what shows that they are worth something.

mod mutations;
mod seeds;
mod store;
