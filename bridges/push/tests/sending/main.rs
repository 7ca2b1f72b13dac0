//! The senders against the mock, over real connections.
//!
//! `cfg(test)` tells clippy that whole modules are tests.

#[cfg(test)]
mod apns;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod fcm;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod mock_apns;
#[cfg(test)]
mod mock_fcm;
#[cfg(test)]
mod mock_webpush;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod webpush;
