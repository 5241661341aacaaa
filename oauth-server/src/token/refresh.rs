//! The refresh grant, [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6), with rotation.
//!
//! Each use buys a successor and spends the token (REF-1). Everything that was true at sign-in is checked again (REF-10): the client and
//! the user are enabled, the resource and some of the scopes are still offered. What is offered no more is left out; what was never granted is
//! refused (REF-6).

use oauth_core::{
    CredentialKey, CredentialKind, GrantTypeName, ResourceSet, ScopeSet, Secret, TokenHash, async_trait,
};

use super::authorization_code::judge;
use super::entitlement::{Basis, Entitlement};
use super::fault::TokenFault;
use super::grant_type::{Asked, GrantType};

/// `grant_type=refresh_token`.
#[derive(Debug)]
pub(crate) struct RefreshToken;

#[async_trait]
impl GrantType for RefreshToken {
    fn name(&self) -> GrantTypeName {
        GrantTypeName::RefreshToken
    }

    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
        let presented =
            asked.form.get("refresh_token").ok_or(TokenFault::Malformed("refresh_token is missing"))?;
        let key = CredentialKey::of(presented).ok_or(TokenFault::Unknown)?;
        let found = asked.grants().find(&key).await?.ok_or(TokenFault::Unknown)?;
        judge(&found, &asked, CredentialKind::RefreshToken)?;
        if asked.is_disabled(&found.grant.subject).await? {
            return Err(TokenFault::SubjectDisabled);
        }
        let context = asked.context;
        let offered = asked.offered(&found.grant.resources);
        if offered.is_empty() {
            return Err(TokenFault::NotAccepted("resource_not_offered"));
        }
        let resources = asked.resources_within(&offered)?;
        let today = |scopes: &ScopeSet| {
            let scopes = scopes.intersection(&context.grantable);
            asked.client.scope_ceiling.as_ref().map_or(scopes.clone(), |ceiling| scopes.intersection(ceiling))
        };
        let granted = &found.grant.scopes;
        // Without any scope a token would open what needs none, which nobody agreed to.
        if today(granted).is_empty() && !granted.is_empty() {
            return Err(TokenFault::NotAccepted("scopes_not_offered"));
        }
        let named = asked.scopes_within(granted)?;
        let scopes = today(&named);
        if scopes.is_empty() && !named.is_empty() {
            return Err(TokenFault::ScopeNotGranted);
        }
        let request = request_of(&asked, &scopes, &resources);
        Ok(Entitlement {
            scopes,
            resources,
            not_after: None,
            basis: Basis::Spends {
                key,
                presented: Secret::new(presented.to_owned()),
                grant: Box::new(found.grant),
                is_code: false,
                request,
            },
        })
    }
}

/// What a retry must ask for again, to be one.
fn request_of(asked: &Asked<'_>, scopes: &ScopeSet, resources: &ResourceSet) -> TokenHash {
    let mut text = format!("{}\n{}\n", asked.client.id, scopes);
    for resource in resources.as_slice() {
        text.push_str(resource.as_str());
        text.push('\n');
    }
    TokenHash::of(&text)
}
