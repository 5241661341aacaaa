//! `WWW-Authenticate`: how a client learns where to get a token and for what (RFC 6750 §3, RFC 9728 §5.1).
//!
//! 1. `Bearer` comes first, in one header line, every value quoted, no space around `=`: some clients read no other form (RS-28).
//! 2. `error` stands there only if a token was sent (RS-20).
//! 3. No byte of the request comes back in it (RS-27): scopes are of the policy, texts of the program.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{ErrorCode, ResourceUri, ScopeSet};

use crate::answer::{self, Answer, Reason};
use crate::bearer::Dpop;
use crate::scope::Authentication;

/// The challenges of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    metadata_url: Arc<str>,
    dpop: Option<Offer>,
}

/// That tokens may, or must, be bound to a key.
#[derive(Clone, Debug)]
struct Offer {
    algorithms: Arc<str>,
    is_required: bool,
}

/// What is wrong with a request's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None were sent.
    Missing,
    /// They are not good; which check failed is not said.
    Invalid,
    /// They are good, for something else.
    Scope,
    /// They are good, but the user must sign in again.
    Authentication,
}

impl Fault {
    /// A stable name for the audit.
    const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Invalid => "token_invalid",
            Self::Scope => "insufficient_scope",
            Self::Authentication => "insufficient_user_authentication",
        }
    }
}

impl Challenge {
    pub(crate) fn new(resource: &ResourceUri) -> Self {
        Self { metadata_url: resource.metadata_url().into(), dpop: None }
    }

    /// Names the scheme `DPoP` too: after `Bearer`, which old clients look for first, or alone where nothing else is accepted (RS-31, DPOP-13).
    pub(crate) fn offer(&mut self, dpop: &Dpop) {
        let algorithms = dpop.algorithms().join(" ").into();
        self.dpop = Some(Offer { algorithms, is_required: dpop.is_required() });
    }

    /// The answer to a proof that proves nothing: `DPoP` alone, since that is what the client has chosen (DPOP-7).
    pub(crate) fn refuse_proof(&self, code: ErrorCode, scopes: &ScopeSet) -> Answer {
        let description = if code == ErrorCode::UseDpopNonce { NONCE } else { PROOF };
        let mut answer = answer::oauth(code, description);
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        let mut text = String::with_capacity(256);
        self.push_dpop(&mut text, Some((code, description)), &of_resource(scopes), None);
        let value = HeaderValue::from_str(&text).expect("scopes and urls are printable ascii");
        answer.headers_mut().insert(WWW_AUTHENTICATE, value);
        answer
    }

    /// The answer to a request from which no one token can be taken (RFC 6750 §3.1).
    pub(crate) fn malformed(&self, description: &'static str) -> Answer {
        let mut answer = answer::oauth(ErrorCode::InvalidRequest, description);
        let mut text = "Bearer ".to_owned();
        push_error(&mut text, Some((ErrorCode::InvalidRequest, description)));
        self.push_needs(&mut text, &ScopeSet::empty(), None);
        let value = HeaderValue::from_str(&text).expect("descriptions and urls are printable ascii");
        answer.headers_mut().insert(WWW_AUTHENTICATE, value);
        answer
    }

    /// The answer that refuses, naming what the operation needs.
    pub(crate) fn answer(&self, fault: Fault, scopes: &ScopeSet) -> Answer {
        self.answer_with(fault, scopes, None)
    }

    /// The answer to who must sign in again (RFC 9470 §3). What the operation needs is named too: one sign-in does for both.
    pub(crate) fn authenticate(&self, demand: &Authentication, scopes: &ScopeSet) -> Answer {
        self.answer_with(Fault::Authentication, scopes, Some(demand))
    }

    fn answer_with(&self, fault: Fault, scopes: &ScopeSet, demand: Option<&Authentication>) -> Answer {
        let scopes = &of_resource(scopes);
        let mut answer = match fault {
            // RFC 6750 has no code for it; SDKs know this word.
            Fault::Missing => answer::oauth(ErrorCode::InvalidToken, "an access token is needed"),
            Fault::Invalid => answer::oauth(ErrorCode::InvalidToken, INVALID),
            Fault::Scope => answer::json(
                ErrorCode::InsufficientScope.status(),
                format!(
                    r#"{{"error":"insufficient_scope","error_description":"{SCOPE}","scope":"{scopes}"}}"#
                ),
            ),
            Fault::Authentication => answer::oauth(ErrorCode::InsufficientUserAuthentication, AUTHENTICATION),
        };
        answer.headers_mut().insert(WWW_AUTHENTICATE, self.value(fault, scopes, demand));
        answer.extensions_mut().insert(Reason(fault.reason()));
        answer
    }

    fn value(&self, fault: Fault, scopes: &ScopeSet, demand: Option<&Authentication>) -> HeaderValue {
        let mut text = String::with_capacity(192);
        let error = match fault {
            Fault::Missing => None,
            Fault::Invalid => Some((ErrorCode::InvalidToken, INVALID)),
            Fault::Scope => Some((ErrorCode::InsufficientScope, SCOPE)),
            Fault::Authentication => Some((ErrorCode::InsufficientUserAuthentication, AUTHENTICATION)),
        };
        if self.dpop.as_ref().is_none_or(|offer| !offer.is_required) {
            text.push_str("Bearer ");
            push_error(&mut text, error);
            self.push_needs(&mut text, scopes, demand);
        }
        if self.dpop.is_some() {
            if !text.is_empty() {
                text.push_str(", ");
            }
            self.push_dpop(&mut text, error, scopes, demand);
        }
        // A scope and a class have neither quote nor backslash, a parsed URL is ASCII with both percent-encoded.
        HeaderValue::from_str(&text).expect("scopes and urls are printable ascii")
    }

    fn push_dpop(
        &self,
        text: &mut String,
        error: Option<(ErrorCode, &str)>,
        scopes: &ScopeSet,
        demand: Option<&Authentication>,
    ) {
        text.push_str("DPoP ");
        push_error(text, error);
        if let Some(offer) = &self.dpop {
            text.push_str("algs=\"");
            text.push_str(&offer.algorithms);
            text.push_str("\", ");
        }
        self.push_needs(text, scopes, demand);
    }

    fn push_needs(&self, text: &mut String, scopes: &ScopeSet, demand: Option<&Authentication>) {
        if let Some(age) = demand.and_then(|demand| demand.max_age) {
            text.push_str(&format!("max_age=\"{}\", ", age.as_secs()));
        }
        if let Some(classes) = demand.and_then(|demand| demand.classes.as_ref()).filter(|all| !all.is_empty())
        {
            // A policy of one's own may name what no header can carry; such a class nobody can sign in by, and it is left out.
            let named: Vec<_> = classes
                .iter()
                .map(|class| &**class)
                .filter(|class| Authentication::can_be_named(class))
                .collect();
            text.push_str(&format!("acr_values=\"{}\", ", named.join(" ")));
        }
        if !scopes.is_empty() {
            text.push_str("scope=\"");
            text.push_str(scopes.as_str());
            text.push_str("\", ");
        }
        text.push_str("resource_metadata=\"");
        text.push_str(&self.metadata_url);
        text.push('"');
    }
}

/// What is wrong: first, as in the examples of RFC 6750 and RFC 9449 (DPOP-7).
fn push_error(text: &mut String, error: Option<(ErrorCode, &str)>) {
    if let Some((code, description)) = error {
        text.push_str("error=\"");
        text.push_str(code.as_str());
        text.push_str("\", error_description=\"");
        text.push_str(description);
        text.push_str("\", ");
    }
}

/// `offline_access` is between a client and its authorization server: however it came among the scopes, nobody is told to ask for it (RS-8).
fn of_resource(scopes: &ScopeSet) -> Cow<'_, ScopeSet> {
    if !scopes.contains(OFFLINE_ACCESS) {
        return Cow::Borrowed(scopes);
    }
    Cow::Owned(scopes.iter().filter(|scope| *scope != OFFLINE_ACCESS).collect())
}

const INVALID: &str = "the access token is invalid, expired or not for this resource";
const AUTHENTICATION: &str = "the user must sign in again";
const PROOF: &str = "the proof of possession does not prove that this request is yours";
const NONCE: &str = "put the nonce of this answer into the proof";
const SCOPE: &str = "the access token lacks a scope that this operation needs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_comes_first_and_all_is_quoted() {
        // RS-20, RS-28
        let challenge = Challenge::new(&"https://h/mcp".parse().unwrap());
        let scopes = "b a".parse().unwrap();
        let value =
            |fault, scopes: &ScopeSet| challenge.value(fault, scopes, None).to_str().unwrap().to_owned();
        let place = r#"resource_metadata="https://h/.well-known/oauth-protected-resource/mcp""#;
        assert_eq!(value(Fault::Missing, &scopes), format!(r#"Bearer scope="a b", {place}"#));
        assert_eq!(value(Fault::Missing, &ScopeSet::empty()), format!("Bearer {place}"));
        assert_eq!(
            value(Fault::Invalid, &scopes),
            format!(r#"Bearer error="invalid_token", error_description="{INVALID}", scope="a b", {place}"#)
        );
        assert!(value(Fault::Scope, &scopes).starts_with(r#"Bearer error="insufficient_scope", "#));
    }

    #[test]
    fn no_quote_of_a_configured_url_ends_a_value() {
        // RS-27
        let challenge = Challenge::new(&r#"https://h/a"b"#.parse().unwrap());
        let value = challenge.value(Fault::Missing, &ScopeSet::empty(), None);
        assert_eq!(value.to_str().unwrap().matches('"').count(), 2);
    }
}
