//! The engine as legs see it, on the embedded store.

mod advisories;
mod archive;
mod bounces;
mod collections;
mod consumers;
mod delivery;
mod digests;
mod epochs;
mod fixture;
mod idempotency;
mod items;
mod memory;
mod options;
mod presence;
#[cfg(test)]
mod push;
#[cfg(test)]
mod push_profiles;
mod quotas;
mod relations;
mod retention;
mod rosters;
mod rules;
mod tails;
