//! The daemon in trouble: killed, cut off, stopped, and put back together, under load.
//!
//! `trial.rs` holds the load and the verdict; each other file is a kind of trouble.

#![expect(clippy::print_stdout, reason = "what the kills have hit, and the table of faults")]

mod crash;
mod faults;
mod trial;
