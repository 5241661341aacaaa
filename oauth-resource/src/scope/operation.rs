//! What a request asks the MCP server to do.

use std::borrow::Cow;

use http::Method;

/// What a request asks for, as far as scopes depend on it. Names are decoded, and compared letter by letter: `Danger_Tool` and
/// `danger_tool ` are other tools than `danger_tool` (A-AUD-11).
///
/// ```
/// use oauth_resource::Operation;
/// assert_eq!(Operation::Tool { name: "add_note".into() }.method(), "tools/call");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// `tools/call`
    Tool {
        /// `params.name`
        name: Cow<'a, str>,
    },
    /// `prompts/get`, or `completion/complete` for a prompt.
    Prompt {
        /// The prompt's name.
        name: Cow<'a, str>,
    },
    /// `resources/read` and whatever else names a resource.
    Resource {
        /// The method.
        method: Cow<'a, str>,
        /// The resource's URI; for a completion, its template.
        uri: Cow<'a, str>,
    },
    /// Another request or notification.
    Method {
        /// The method.
        name: Cow<'a, str>,
    },
    /// A client's reply to what the server asked it.
    Response,
    /// Not a message: a stream that is opened (`GET`) or a session that is ended (`DELETE`).
    Http {
        /// The method of HTTP.
        method: &'a Method,
    },
    /// What it is cannot be told: not JSON, a name that is no string, nested too deep. It might be anything.
    Unclassified,
}

impl Operation<'_> {
    /// Its method; empty for what has none.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Tool { .. } => "tools/call",
            Self::Prompt { .. } => "prompts/get",
            Self::Resource { method, .. } => method,
            Self::Method { name } => name,
            Self::Response | Self::Http { .. } | Self::Unclassified => "",
        }
    }
}
