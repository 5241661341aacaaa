//! A checked authorization request that awaits its user, and the one answer that it gets.

use std::sync::Arc;
use std::time::Duration;

use oauth_core::{
    Binding, Client, CodeBinding, CodeChallenge, Credential, CredentialKind, ErrorCode, Grant, GrantId,
    OAuthError, RedirectKind, RedirectUri, ResourceSet, Revocation, ScopeSet, Secret, StoreError, Subject,
    SubjectKind, Timestamp, TokenHash,
};

use crate::clients::Standing;
use crate::server::Context;

/// A request by a known client to a registered redirect URI. It is moved into exactly one [`Answer`].
pub(crate) struct Pending {
    context: Arc<Context>,
    client: Arc<Client>,
    redirect_uri: Box<str>,
    state: Option<Box<str>>,
    /// What was asked, once it is checked.
    pub(super) request: Option<Request>,
}

/// What a client asks of a user.
pub(crate) struct Request {
    pub(crate) scopes: ScopeSet,
    pub(crate) resources: ResourceSet,
    pub(crate) challenge: CodeChallenge,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<Duration>,
    pub(crate) nonce: Option<Box<str>>,
    pub(crate) login_hint: Option<Box<str>>,
}

/// `prompt` (OpenID Connect Core §3.1.2.1), taken without OpenID too (AS-53).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) none: bool,
    pub(crate) login: bool,
    pub(crate) consent: bool,
    pub(crate) select_account: bool,
}

impl Prompt {
    pub(super) fn read(text: Option<&str>) -> Result<Self, OAuthError> {
        let mut prompt = Self::default();
        let mut values = 0;
        for value in text.unwrap_or_default().split(' ').filter(|value| !value.is_empty()) {
            values += 1;
            match value {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                // What is not known asks for nothing.
                _ => {}
            }
        }
        if prompt.none && values > 1 {
            return Err(OAuthError::new(ErrorCode::InvalidRequest, "prompt none stands alone"));
        }
        Ok(prompt)
    }
}

/// Where the browser is sent, with `iss` and `state`. Made from a [`Pending`] alone, by move: it is not forged, not widened, not given
/// twice.
#[must_use = "a client waits for it"]
pub(crate) struct Answer(String);

impl Answer {
    pub(crate) fn location(&self) -> &str {
        &self.0
    }
}

/// What came of a yes.
#[must_use = "a client waits for it, or a user"]
pub(crate) enum Approval {
    /// The client is told.
    Given(Answer),
    /// The client is another than the one that was agreed to: nothing is granted, and the user has to look again (CIMD-12).
    Outdated,
    /// There are as many clients by document as the operator wants: nothing is granted.
    NoRoom,
}

/// Who agrees.
pub(crate) struct Agreement<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) auth_time: Timestamp,
    /// Within what was asked; what is not is left out.
    pub(crate) scopes: &'a ScopeSet,
    /// The grant that is opened. A page that was answered before has opened it.
    pub(crate) grant: GrantId,
}

impl Pending {
    pub(super) fn new(
        context: Arc<Context>,
        client: Arc<Client>,
        redirect_uri: Box<str>,
        state: Option<Box<str>>,
    ) -> Self {
        Self { context, client, redirect_uri, state, request: None }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What was asked. `None`: the request is refused, and only [`refuse`](Self::refuse) is left.
    pub(crate) fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The client as the user is shown it: in this state, answered at this address (AS-68).
    pub(crate) fn fingerprint(&self) -> TokenHash {
        self.client.consent_fingerprint(&self.redirect_uri)
    }

    /// Whether a yes to it may count again. Where any program may listen, or claim the scheme, it is asked for each time (RFC 8252 §8.6).
    pub(crate) fn is_memorable(&self) -> bool {
        self.redirect_kind() == RedirectKind::Https
    }

    /// The kind of place that the answer goes to.
    pub(crate) fn redirect_kind(&self) -> RedirectKind {
        self.redirect_uri.parse().map_or(RedirectKind::PrivateUse, |uri: RedirectUri| uri.kind())
    }

    /// The user agrees: opens a grant with its code.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: this page was answered before.
    pub(crate) async fn approve(
        self,
        agreement: &Agreement<'_>,
        now: Timestamp,
    ) -> Result<Approval, StoreError> {
        let context = self.context.clone();
        let Some(request) = &self.request else {
            let error = OAuthError::new(ErrorCode::InvalidRequest, "the request was not checked");
            return Ok(Approval::Given(self.refuse(&error)));
        };
        let scopes = request.scopes.intersection(agreement.scopes);
        let grant = self.grant(request, agreement, scopes, now);
        let (code, credential) = self.code(request, &grant, now);
        context.stores.grants.open(&grant, &[credential]).await?;
        let standing = context.clients.confirm(&context, &self.client, now).await?;
        if standing != Standing::Current {
            context.stores.grants.revoke(Revocation::Grant(&grant.id), now).await?;
        }
        Ok(match standing {
            Standing::Current => Approval::Given(self.answer(&[("code", code.expose())])),
            Standing::Outdated => Approval::Outdated,
            Standing::NoRoom => Approval::NoRoom,
        })
    }

    /// The user does not agree. A grant that never lived takes the page's name, so that nobody answers it again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: this page was answered before.
    pub(crate) async fn deny(self, agreement: &Agreement<'_>, now: Timestamp) -> Result<Answer, StoreError> {
        if let Some(request) = &self.request {
            let mut grant = self.grant(request, agreement, ScopeSet::empty(), now);
            grant.revoked_at = Some(now);
            // A code that nobody is told of and that buys nothing: without one, the first sweep would take the grant, and its name with it.
            let (_, credential) = self.code(request, &grant, now);
            self.context.stores.grants.open(&grant, &[credential]).await?;
        }
        Ok(self.refuse(&OAuthError::new(ErrorCode::AccessDenied, "the user did not agree")))
    }

    fn grant(&self, request: &Request, agreement: &Agreement<'_>, scopes: ScopeSet, now: Timestamp) -> Grant {
        Grant {
            id: agreement.grant,
            subject: agreement.subject.clone(),
            subject_kind: SubjectKind::User,
            client_id: self.client.id.clone(),
            scopes,
            resources: request.resources.clone(),
            issued_at: now,
            expires_at: now + self.context.policy.grant,
            auth_time: Some(agreement.auth_time),
            revoked_at: None,
        }
    }

    fn code(&self, request: &Request, grant: &Grant, now: Timestamp) -> (Secret, Credential) {
        let context = &self.context;
        let kind = CredentialKind::AuthorizationCode;
        let (code, key) = context.format.mint(kind, grant.id, &*context.entropy);
        let credential = Credential {
            key,
            kind,
            binding: Binding::Bearer,
            scopes: grant.scopes.clone(),
            resources: request.resources.clone(),
            issued_at: now,
            expires_at: now + context.policy.code,
            code: Some(Box::new(CodeBinding {
                issuer: context.issuer.clone(),
                redirect_uri: self.redirect_uri.clone(),
                challenge: request.challenge,
                nonce: request.nonce.clone(),
                dpop_jkt: None,
            })),
        };
        (code, credential)
    }

    /// The request is refused.
    pub(crate) fn refuse(self, error: &OAuthError) -> Answer {
        self.answer(&[("error", error.code.as_str()), ("error_description", error.description)])
    }

    /// Every answer carries `iss` (RFC 9207), and `state` as it came (AS-46, AS-47).
    fn answer(self, parameters: &[(&str, &str)]) -> Answer {
        let state = self.state.as_deref().map(|state| ("state", state));
        let issuer = ("iss", self.context.issuer.as_str());
        let all = parameters.iter().copied().chain(state).chain([issuer]);
        Answer(with_parameters(&self.redirect_uri, all))
    }
}

/// The asked URI was admitted by a registered one, so it is one itself, and keeps its query (AS-48).
fn with_parameters<'a>(uri: &'a str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let uri: RedirectUri = uri.parse().expect("a registered redirect uri admits redirect uris alone");
    uri.with_parameters(parameters)
}
