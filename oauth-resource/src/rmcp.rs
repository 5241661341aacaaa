//! Who calls an rmcp tool.

use http::request::Parts;
use oauth_core::{ClientId, ScopeSet, Subject};
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::Extensions;

use crate::authorized::Authorized;

/// Who calls a tool or asks for a prompt: an argument of its function.
///
/// ```
/// use oauth_resource::Caller;
/// use rmcp::{ErrorData, tool, tool_router};
///
/// #[derive(Clone)]
/// struct Notes;
///
/// #[tool_router]
/// impl Notes {
///     #[tool(description = "Says who you are")]
///     async fn whoami(&self, caller: Caller) -> Result<String, ErrorData> {
///         caller.require("notes:read")?;
///         Ok(caller.subject().to_string())
///     }
/// }
/// assert_eq!(Notes::tool_router().list_all().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Caller(Authorized);

impl Caller {
    /// Who a request with these extensions is from. `None` where no token was needed and none was sent.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        // rmcp hands on the parts of the HTTP request, and with them what the layers found out.
        extensions.get::<Parts>()?.extensions.get::<Authorized>().cloned().map(Self)
    }

    /// Who it is about. Unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.0.subject()
    }

    /// The client that acts.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        self.0.client_id()
    }

    /// What the token is for.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.0.scopes()
    }

    /// All that was found out.
    #[must_use]
    pub const fn authorized(&self) -> &Authorized {
        &self.0
    }

    /// Asks for a scope that depends on the arguments. What depends on the tool alone belongs into the layer's rules: there the
    /// client is told by a 403 what to ask for, here it gets an error of the tool.
    ///
    /// # Errors
    /// The caller does not have it, nor one that implies it.
    pub fn require(&self, scope: &str) -> Result<(), ErrorData> {
        if self.0.covers(scope) {
            return Ok(());
        }
        Err(ErrorData::invalid_request(format!("insufficient_scope: this needs {scope}"), None))
    }
}

impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let missing = || ErrorData::invalid_request("this needs an access token", None);
        Self::of(&context.as_request_context().extensions).ok_or_else(missing)
    }
}
