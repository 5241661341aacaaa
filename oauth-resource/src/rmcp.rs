//! Who calls an rmcp tool.

use http::request::Parts;
use oauth_core::{ClientId, ScopeSet, Subject};
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::Extensions;

use crate::authorized::Authorized;
use crate::tailor::Demand;

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
pub struct Caller {
    authorized: Authorized,
    demand: Option<Demand>,
}

impl Caller {
    /// Who a request with these extensions is from. `None` where no token was needed and none was sent.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        // rmcp hands on the parts of the HTTP request, and with them what the layers found out.
        let found = &extensions.get::<Parts>()?.extensions;
        let authorized = found.get::<Authorized>()?.clone();
        Some(Self { authorized, demand: found.get::<Demand>().cloned() })
    }

    /// Who it is about. Unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.authorized.subject()
    }

    /// The client that acts.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        self.authorized.client_id()
    }

    /// What the token is for.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.authorized.scopes()
    }

    /// All that was found out.
    #[must_use]
    pub const fn authorized(&self) -> &Authorized {
        &self.authorized
    }

    /// Asks for scopes that depend on the arguments, separated by spaces. What depends on the tool alone belongs into the layer's rules.
    ///
    /// Behind [`TailorAnswers`](crate::TailorAnswers) the answer becomes a 403 that tells the client what to ask for, beside what it has, if
    /// nothing of the answer has been sent yet: an `rmcp` server with `json_response`. Otherwise the client gets the error of the tool,
    /// `-32001` with the scopes in its data.
    ///
    /// # Errors
    /// The caller does not have all of them, nor what implies them; or `scopes` names none, or has a character that no scope has: nothing is
    /// granted by a mistake.
    pub fn require(&self, scopes: &str) -> Result<(), ErrorData> {
        // Read as a whole: what cannot be read must not be left out of what is asked for.
        let needed: ScopeSet = match scopes.parse() {
            Ok(needed) if needed != ScopeSet::empty() => needed,
            _ => {
                tracing::error!("a tool asks for scopes that are none");
                return Err(ErrorData::internal_error("the scopes that this needs are misconfigured", None));
            }
        };
        if needed.iter().all(|scope| self.authorized.covers(scope)) {
            return Ok(());
        }
        if let Some(demand) = &self.demand {
            demand.add(&self.scopes().union(&needed));
        }
        let named: Vec<&str> = needed.iter().collect();
        let data = serde_json::json!({ "type": "oauth2", "error": "insufficient_scope", "scopes": named });
        Err(ErrorData::new(INSUFFICIENT, format!("insufficient_scope: this needs {needed}"), Some(data)))
    }
}

/// The code that clients know which look into errors for what to ask for.
const INSUFFICIENT: rmcp::model::ErrorCode = rmcp::model::ErrorCode(-32001);

impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let missing = || ErrorData::invalid_request("this needs an access token", None);
        Self::of(&context.as_request_context().extensions).ok_or_else(missing)
    }
}
