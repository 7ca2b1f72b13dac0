//! The senders against the mock, over real connections.
//!
//! `cfg(test)` tells clippy that whole modules are tests.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod mock_webpush;
#[cfg(test)]
mod webpush;
