//! Extensions of MCP that concern authorization: their names, and whether a client of a request has one (EXT-1, EXT-3, EXT-4).

mod layer;
mod service;

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::{self, Answer};

pub use layer::RequireExtensionLayer;
pub use service::RequireExtension;

/// A client acts for itself, without a user.
pub const CLIENT_CREDENTIALS: &str = "io.modelcontextprotocol/oauth-client-credentials";
/// A company's identity provider speaks for its users.
pub const ENTERPRISE_MANAGED: &str = "io.modelcontextprotocol/enterprise-managed-authorization";
/// A draft: proofs of possession.
pub const DPOP: &str = "io.modelcontextprotocol/auth/dpop";
/// A draft: identities of workloads.
pub const WORKLOAD_IDENTITY: &str = "io.modelcontextprotocol/auth/wif";
/// A draft: identities of servers.
pub const SERVER_IDENTITY: &str = "io.modelcontextprotocol/server-identity";

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Whether the client says of *this* request that it has an extension: earlier requests say nothing of it (MCP 2026-07-28).
///
/// ```
/// use oauth_resource::extensions::{CLIENT_CREDENTIALS, DPOP, client_has};
///
/// let message = serde_json::json!({"method": "tools/call", "params": {"_meta": {
///     "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/auth/dpop": {}}},
/// }}});
/// assert!(client_has(&message, DPOP) && !client_has(&message, CLIENT_CREDENTIALS));
/// ```
#[must_use]
pub fn client_has(message: &Value, extension: &str) -> bool {
    message["params"]["_meta"][CAPABILITIES]["extensions"].get(extension).is_some_and(Value::is_object)
}

/// The answer to a request that cannot be served without an extension: 400 and `-32021`, never 401, because no token helps (RS-85).
///
/// ```
/// use oauth_resource::extensions::{DPOP, capability_missing};
///
/// let answer = capability_missing(&serde_json::json!(7), DPOP);
/// assert_eq!(answer.status(), 400);
/// ```
#[must_use]
pub fn capability_missing(id: &Value, extension: &str) -> Answer {
    let mut extensions = serde_json::Map::new();
    extensions.insert(extension.to_owned(), json!({}));
    let required = json!({ "extensions": extensions });
    let error = json!({
        "code": -32021,
        "message": "a capability of the client is missing",
        "data": { "requiredCapabilities": required },
    });
    answer::json(StatusCode::BAD_REQUEST, json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_said_in_an_error_that_is_no_challenge() {
        // RS-85, EXT-3
        let answer = capability_missing(&json!("a"), DPOP);
        assert!(!answer.headers().contains_key("www-authenticate"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&json!("a"), &json!(-32021)));
        assert_eq!(body["error"]["data"]["requiredCapabilities"]["extensions"], json!({ DPOP: {} }));
    }

    #[test]
    fn only_this_request_counts() {
        // EXT-1
        for (message, has) in [
            (json!({ "params": { "_meta": { CAPABILITIES: { "extensions": { DPOP: {} } } } } }), true),
            (json!({ "params": { "_meta": { CAPABILITIES: { "extensions": { DPOP: null } } } } }), false),
            (json!({ "params": { "_meta": { CAPABILITIES: { "extensions": { DPOP: true } } } } }), false),
            (json!({ "params": { "_meta": { CAPABILITIES: {} } } }), false),
            (json!({ "params": { "capabilities": { "extensions": { DPOP: {} } } } }), false),
            (json!({}), false),
            (json!([]), false),
        ] {
            assert_eq!(client_has(&message, DPOP), has, "{message}");
        }
    }
}
