//! The store in Redis: the kit, what cannot be opened, what fails later, races, clients, lifetimes, copies, a cluster, Sentinel, TLS.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(all(feature = "redis", unix))]

mod clients;
mod cluster;
mod conformance;
mod dump;
mod faults;
mod lifetimes;
mod lost_answers;
mod open;
mod proxy;
mod replicas;
mod scene;
mod sentinel;
mod tls;
