//! The daemon as its users run it: against a real Prosody, with foreign clients, and under hostile input.

mod access;
mod component;
mod doctor;
mod hostile;
mod peers;
mod postgres;
mod python_client;
mod quickstart;
mod slixmpp;
mod synced;
