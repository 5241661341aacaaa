//! The whole path over HTTP, one file a flow: browser, client, authorization server, MCP server, store.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod authorize_errors;
mod authorize_requests;
mod bodies;
mod consent;
mod denial;
mod engines;
mod expect;
mod happy_path;
mod limits;
mod loopback;
mod metadata;
mod no_secrets_logged;
mod refresh;
mod sessions;
mod sources;
mod store_down;
mod store_killed;
mod token_errors;
mod two_servers;
mod wire_facts;
