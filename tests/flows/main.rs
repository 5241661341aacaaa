//! The whole path over HTTP, one file a flow: browser, client, authorization server, MCP server, store.

mod authorize_errors;
mod authorize_requests;
mod expect;
mod happy_path;
mod refresh;
mod store_down;
mod token_errors;
