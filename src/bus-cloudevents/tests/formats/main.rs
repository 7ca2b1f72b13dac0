//! The formats of CloudEvents against each other, and against the rules of the specification.
//!
//! `cfg(test)` tells clippy that whole modules are tests.

#[cfg(test)]
mod arrivals;
#[cfg(test)]
mod made;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod round_trips;
