//! The store contract on PostgreSQL, and what is PostgreSQL's own.

mod agreement;
mod claims;
mod commits;
mod consumers;
mod doorbell;
mod engines;
mod epochs;
mod fixture;
mod locks;
mod opening;
mod outages;
mod populated;
mod statements;

store_contract::suite!(fixture::open_shared);
store_contract::collections_suite!(fixture::open_shared);
store_contract::consumers_suite!(fixture::open_shared);
store_contract::push_suite!(fixture::open_for_push);
store_contract::profiles_suite!(fixture::open_for_profiles);
