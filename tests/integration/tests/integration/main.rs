//! The daemon as its users run it: against real servers, with foreign clients, and under hostile input.
//!
//! `cfg(test)` tells clippy that whole modules are tests: a body that runs behind each server is a plain function.

#[cfg(test)]
mod access;
#[cfg(test)]
mod component;
mod doctor;
#[cfg(test)]
mod hostile;
mod peers;
mod python_client;
mod quickstart;
#[cfg(test)]
mod slixmpp;
mod synced;
