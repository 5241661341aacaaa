//! Who decides what an operation needs.

use oauth_core::{ScopeHierarchy, ScopeSet};

use crate::authorized::Authorized;
use crate::scope::authentication::Authentication;
use crate::scope::operation::Operation;

/// What an operation needs.
///
/// ```
/// use oauth_resource::Need;
/// assert_ne!(Need::Nothing, Need::Scopes("notes:read".parse()?));
/// # Ok::<(), oauth_core::ScopeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Not even a token (RS-88). One that is presented must be good all the same.
    Nothing,
    /// A good token with these scopes; none of them: any good token.
    Scopes(ScopeSet),
}

/// What is asked of a policy.
///
/// ```
/// use oauth_resource::{Asked, Need, Operation, ScopePolicy, ScopeRules};
///
/// let rules = ScopeRules::builder("notes:read").tool("add_note", "notes:write").build()?;
/// let operation = Operation::Tool { name: "add_note".into() };
/// assert_eq!(rules.need(Asked::new(&operation, None)), Need::Scopes("notes:write".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// What the request asks for.
    pub operation: &'a Operation<'a>,
    /// Who asks, if they have shown a good token.
    pub caller: Option<&'a Authorized>,
}

impl<'a> Asked<'a> {
    /// A question, for tests of a policy.
    #[must_use]
    pub const fn new(operation: &'a Operation<'a>, caller: Option<&'a Authorized>) -> Self {
        Self { operation, caller }
    }
}

/// Decides which scopes an operation needs. [`ScopeRules`](crate::ScopeRules) is one made of tables.
///
/// Which way to be wrong: need more. [`Operation::Unclassified`] might be anything, so it needs what the most guarded operation
/// needs. It is asked for every request: answer from memory.
///
/// ```
/// use oauth_core::{ScopeHierarchy, ScopeSet};
/// use oauth_resource::{Asked, Need, Operation, ScopePolicy};
///
/// /// Tools that begin with `admin_` need `admin`, and so does what cannot be read.
/// struct ByPrefix { read: ScopeSet, admin: ScopeSet, hierarchy: ScopeHierarchy }
///
/// impl ScopePolicy for ByPrefix {
///     fn need(&self, asked: Asked<'_>) -> Need {
///         Need::Scopes(match asked.operation {
///             Operation::Tool { name } if !name.starts_with("admin_") => self.read.clone(),
///             Operation::Method { .. } | Operation::Response | Operation::Http { .. } => self.read.clone(),
///             _ => self.admin.clone(),
///         })
///     }
///     fn minimum(&self) -> &ScopeSet { &self.read }
///     fn hierarchy(&self) -> &ScopeHierarchy { &self.hierarchy }
/// }
///
/// let policy = ByPrefix { read: "read".parse()?, admin: "admin".parse()?, hierarchy: ScopeHierarchy::new() };
/// let list = Operation::Tool { name: "list".into() };
/// assert_eq!(policy.need(Asked::new(&list, None)), Need::Scopes("read".parse()?));
/// # Ok::<(), oauth_core::ScopeError>(())
/// ```
pub trait ScopePolicy: Send + Sync + 'static {
    /// What this operation needs: all of it, not what the caller lacks.
    fn need(&self, asked: Asked<'_>) -> Need;

    /// How lately and by which means the user must have signed in for it (RS-30). Most policies never ask; one that does must ask for
    /// what the most guarded operation asks for where an operation might be that one.
    fn authentication(&self, _asked: Asked<'_>) -> Option<Authentication> {
        None
    }

    /// What basic use needs: it stands in the metadata and in the challenge to who sends nothing that can be read.
    fn minimum(&self) -> &ScopeSet;

    /// Which scopes imply which (RS-24).
    fn hierarchy(&self) -> &ScopeHierarchy;
}
