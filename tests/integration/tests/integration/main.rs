//! The daemon as its users run it: against a real Prosody, with foreign clients, and under hostile input.

mod access;
mod bounces;
mod component;
mod doctor;
mod hostile;
mod offline_user;
mod peers;
mod python_client;
mod quickstart;
mod slixmpp;
mod synced;
