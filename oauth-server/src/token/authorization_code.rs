//! The authorization code grant, [RFC 6749 §4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3) with PKCE.
//!
//! The checks on the snapshot, in order. None of them burns the code or revokes the grant, but for the last line of 5:
//! 1. the code has our form and is known, is a code, of this issuer, and is this client's;
//! 2. its grant is not revoked, and it is unspent and in time, or spent: then `exchange` decides;
//! 3. `redirect_uri`, if sent, is the one that the code was sent to;
//! 4. the resources are this server's and within what was granted, and the user is not disabled;
//! 5. the verifier meets the challenge; one that has not the form of a verifier does not. An unspent code dies with the fifth wrong one (AS-61).

use oauth_core::{
    Binding, CodeVerifier, CredentialKey, CredentialKind, Found, GrantTypeName, LimitKey, Revocation, Secret,
    TokenHash, Verdict, async_trait,
};

use super::entitlement::{Basis, Entitlement};
use super::fault::TokenFault;
use super::grant_type::{Asked, GrantType};

/// `grant_type=authorization_code`.
#[derive(Debug)]
pub(crate) struct AuthorizationCode;

#[async_trait]
impl GrantType for AuthorizationCode {
    fn name(&self) -> GrantTypeName {
        GrantTypeName::AuthorizationCode
    }

    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
        let code = asked.form.get("code").ok_or(TokenFault::Malformed("code is missing"))?;
        let verifier =
            asked.form.get("code_verifier").ok_or(TokenFault::Malformed("code_verifier is missing"))?;

        let key = CredentialKey::of(code).ok_or(TokenFault::Unknown)?;
        let found = asked.grants().find(&key).await?.ok_or(TokenFault::Unknown)?;
        judge(&found, &asked, CredentialKind::AuthorizationCode)?;
        let binding = found.credential.code.as_ref().filter(|binding| binding.issuer == asked.context.issuer);
        let binding = binding.ok_or(TokenFault::Unknown)?;
        if asked.form.get("redirect_uri").is_some_and(|sent| sent != &*binding.redirect_uri) {
            return Err(TokenFault::RedirectMismatch);
        }
        let offered = asked.offered(&found.grant.resources);
        if offered.is_empty() {
            return Err(TokenFault::Unknown);
        }
        let resources = asked.resources_within(&offered)?;
        if asked.is_disabled(&found.grant.subject).await? {
            return Err(TokenFault::SubjectDisabled);
        }
        // One that has not the form of a verifier is a wrong one, and a guess.
        if !CodeVerifier::parse(verifier).is_ok_and(|verifier| binding.challenge.is_met_by(&verifier)) {
            return Err(wrong_verifier(&asked, &found).await?);
        }
        Ok(Entitlement {
            scopes: found.grant.scopes.clone(),
            resources,
            not_after: None,
            basis: Basis::Spends {
                key,
                presented: Secret::new(code.to_owned()),
                grant: Box::new(found.grant),
                is_code: true,
                // No window: a code is never redeemed twice.
                request: TokenHash::of(code),
            },
        })
    }
}

/// What both codes and refresh tokens must be.
pub(super) fn judge(found: &Found, asked: &Asked<'_>, kind: CredentialKind) -> Result<(), TokenFault> {
    if found.credential.kind != kind {
        return Err(TokenFault::Unknown);
    }
    if found.grant.client_id != asked.client.id {
        return Err(TokenFault::OtherClient);
    }
    if found.grant.revoked_at.is_some() {
        return Err(TokenFault::Revoked);
    }
    // It was given to whoever holds a key, and no proof is asked for here: what it would buy anybody could use (A-DPOPX-15).
    if found.credential.binding != Binding::Bearer {
        return Err(TokenFault::NotAccepted("bound_to_a_key"));
    }
    // What is spent goes on, however old: a replay must be recognised.
    let over = found.credential.is_expired(asked.now) || asked.now >= found.grant.expires_at;
    if over && found.spent.is_none() {
        return Err(TokenFault::Expired);
    }
    Ok(())
}

/// Counts a wrong verifier. A code that was redeemed already is left alone: whoever has only the code must not be able to end the tokens
/// that it bought (A-CODE-3).
async fn wrong_verifier(asked: &Asked<'_>, found: &Found) -> Result<TokenFault, TokenFault> {
    if found.spent.is_none() {
        let grant = found.grant.id;
        let key = LimitKey::new("wrong-verifier", &grant.to_string());
        let verdict =
            asked.context.stores.limits.hit(&key, asked.context.limits.wrong_verifier, asked.now).await?;
        if matches!(verdict, Verdict::Limited { .. }) {
            asked.grants().revoke(Revocation::Grant(&grant), asked.now).await?;
        }
    }
    Ok(TokenFault::VerifierMismatch)
}
