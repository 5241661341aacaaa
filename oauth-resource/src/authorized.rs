//! Claims that were checked: what the rest of a request may rely on.

use std::fmt;
use std::sync::Arc;

use oauth_core::{Claims, ClientId, ScopeHierarchy, ScopeSet, Subject, SubjectKind};

/// The claims of a token that this resource accepted for this request. [`RequireBearer`](crate::RequireBearer) alone makes one; it is
/// in the request's extensions.
///
/// ```
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::Authorized;
///
/// async fn whoami(request: http::Request<()>) -> String {
///     // There is one behind the layer, always.
///     request.extensions().get::<Authorized>().map_or_else(String::new, |caller| caller.subject().to_string())
/// }
/// ```
#[derive(Clone)]
pub struct Authorized(Arc<Checked>);

struct Checked {
    claims: Claims,
    hierarchy: Arc<ScopeHierarchy>,
}

impl Authorized {
    pub(crate) fn new(claims: Claims, hierarchy: Arc<ScopeHierarchy>) -> Self {
        Self(Arc::new(Checked { claims, hierarchy }))
    }

    /// Says that these claims were checked, for tests of what stands behind the layer. Nothing was checked.
    ///
    /// ```
    /// use oauth_core::{Claims, Timestamp};
    /// use oauth_resource::Authorized;
    ///
    /// let claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
    /// assert_eq!(Authorized::assertion(claims).subject().as_str(), "alice");
    /// # Ok::<(), oauth_core::IdError>(())
    /// ```
    #[must_use]
    pub fn assertion(claims: Claims) -> Self {
        Self::new(claims, Arc::default())
    }

    /// The same, in memory of its own: for a thread that need not count together with others.
    pub(crate) fn copied(&self) -> Self {
        Self::new(self.0.claims.clone(), self.0.hierarchy.clone())
    }

    /// Whether both are the same principal: of one issuer, acting through one client.
    pub(crate) fn is_principal(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.subject() == other.subject()
                && self.client_id() == other.client_id()
                && self.issuer() == other.issuer())
    }

    /// All that the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Who issued the token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.claims.issuer
    }

    /// Who it is about. Unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.claims.subject
    }

    /// The client that acts.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.0.claims.client_id
    }

    /// What the token is for.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.claims.scopes
    }

    /// Whether a person stands behind it: neither a client for itself nor a workload.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.0.claims.subject_kind == SubjectKind::User
    }

    /// Whether the token has `scope`, or one that implies it (RS-24).
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        self.0.hierarchy.covers(self.scopes(), scope)
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("issuer", &self.issuer())
            .field("subject", self.subject())
            .field("client_id", self.client_id())
            .field("scopes", self.scopes())
            .finish_non_exhaustive()
    }
}
