//! The daemon as its users run it: against a real Prosody, with foreign clients, and under hostile input.

mod access;
mod component;
mod compose;
mod doctor;
mod drain;
mod durability;
mod hostile;
mod logs;
mod peers;
mod python_client;
mod quickstart;
mod retention;
mod slixmpp;
mod synced;
mod trouble;
