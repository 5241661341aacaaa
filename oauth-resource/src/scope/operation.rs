//! What a request asks the MCP server to do.

use std::borrow::Cow;

use http::Method;

use crate::scope::peek::peek;

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
    /// What it is cannot be told: not JSON, a name that is no string, nested too deep, said to be in another charset than UTF-8. It might be
    /// anything.
    Unclassified,
}

impl<'a> Operation<'a> {
    /// What a request's body asks for: one operation, or those of a batch. What the layer sees of it, for tests of a policy.
    ///
    /// ```
    /// use oauth_resource::Operation;
    ///
    /// let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{}}}"#;
    /// let mut asked = Vec::new();
    /// Operation::of_body(body, |operation| asked.push(operation));
    /// assert_eq!(asked, [Operation::Tool { name: "add_note".into() }]);
    /// ```
    pub fn of_body(body: &'a [u8], mut each: impl FnMut(Self)) {
        match peek(body) {
            Ok(messages) if !messages.as_slice().is_empty() => {
                for message in messages.as_slice() {
                    message.operations(&mut each);
                }
            }
            _ => each(Self::Unclassified),
        }
    }

    /// What it names, if it names something.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Tool { name } | Self::Prompt { name } => Some(name),
            Self::Resource { uri, .. } => Some(uri),
            _ => None,
        }
    }

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
