//! The daemon as a component (XEP-0114), case by case after `MongooseIM`'s suite: attaching, being refused, losing the
//! server, addresses, leaving.

mod addresses;
mod attach;
mod conflict;
mod outage;
mod refused;
mod shutdown;
mod tls;
