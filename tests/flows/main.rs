//! The whole path over HTTP, one file a flow: browser, client, authorization server, MCP server, store.

mod happy_path;
