//! The daemon as its users run it: against real servers, with foreign clients, and under hostile input.
//!
//! `cfg(test)` tells clippy that whole modules are tests: a body that runs behind each server is a plain function.

#[cfg(test)]
mod access;
mod advisories;
#[cfg(test)]
mod bounces;
mod cloud_events;
mod comings_and_goings;
#[cfg(test)]
mod component;
mod compose;
mod conformance;
mod doctor;
mod drain;
mod durability;
mod examples;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http_api;
mod logs;
mod offline_user;
mod peers;
mod postgres;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod privileges;
#[cfg(test)]
mod push;
mod push_profiles;
#[cfg(test)]
mod push_service;
mod python_client;
mod quickstart;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod repeats;
mod resources;
mod retention;
#[cfg(test)]
mod slixmpp;
#[cfg(test)]
mod stanza_js;
#[cfg(test)]
mod subscriptions;
mod synced;
mod user_services;
mod webhooks;
#[cfg(test)]
mod webpush;
