//! What a request is entitled to: decided by a grant type, moved to the mint, never widened.

use oauth_core::{
    CredentialKey, Grant, ResourceSet, ScopeSet, Secret, Subject, SubjectKind, Timestamp, TokenHash,
};

use super::fault::TokenFault;
use super::grant_type::Asked;

/// What a request is entitled to. It can be narrowed, not widened, and is used up by minting.
#[must_use = "an entitlement that nobody mints from buys nothing"]
#[derive(Debug)]
pub struct Entitlement {
    pub(super) basis: Basis,
    pub(super) scopes: ScopeSet,
    pub(super) resources: ResourceSet,
    pub(super) not_after: Option<Timestamp>,
}

/// On what it rests.
#[derive(Debug)]
pub(super) enum Basis {
    /// A credential that is spent for it.
    Spends {
        key: CredentialKey,
        presented: Secret,
        grant: Box<Grant>,
        is_code: bool,
        /// What a retry must ask for again.
        request: TokenHash,
    },
    /// Nothing that was there before: a grant of its own, without a refresh token (REF-13).
    Opens { subject: Subject, kind: SubjectKind },
}

impl Entitlement {
    /// What `subject` is entitled to by itself: the scopes and resources that are asked for, within what this server grants and the
    /// client's ceiling. It never comes with a refresh token (REF-13).
    ///
    /// # Errors
    /// [`TokenFault::ScopeMalformed`], [`TokenFault::ScopeNotGranted`], [`TokenFault::TargetNotGranted`].
    pub fn new(asked: &Asked<'_>, subject: Subject, kind: SubjectKind) -> Result<Self, TokenFault> {
        let context = asked.context;
        let ceiling = asked.client.scope_ceiling.as_ref().unwrap_or(&context.advertised);
        let scopes = asked.scopes_within(&context.grantable.intersection(ceiling))?;
        let known: ResourceSet = context.resources.iter().map(|(resource, _)| resource.clone()).collect();
        let resources = if asked.form.get("resource").is_some() {
            asked.resources_within(&known)?
        } else {
            context.default_resource.clone()
        };
        Ok(Self { basis: Basis::Opens { subject, kind }, scopes, resources, not_after: None })
    }

    /// Only what is in `scopes`, too.
    pub fn narrowed_to(mut self, scopes: &ScopeSet) -> Self {
        self.scopes = self.scopes.intersection(scopes);
        self
    }

    /// Nothing that is issued lives longer than this.
    pub fn until(mut self, not_after: Timestamp) -> Self {
        self.not_after = Some(self.not_after.map_or(not_after, |earlier| earlier.min(not_after)));
        self
    }

    /// The scopes of the access token.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The resources of the access token.
    #[must_use]
    pub fn resources(&self) -> &ResourceSet {
        &self.resources
    }
}
