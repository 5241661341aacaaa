//! From what a token says, by the rules of its issuer, to claims.

use std::borrow::Cow;
use std::sync::Arc;

use oauth_core::jose::{ClaimSet, is_type};
use oauth_core::{
    Binding, Claims, ClientId, ResourceUri, ScopeSet, SubjectKind, Thumbprint, Timestamp, VerifyFault,
};
use serde_json::{Map, Value};

use crate::bearer::is_audience;
use crate::config::{ConfigError, rule};
use crate::verify::trusted::{RequiredClaim, TrustedIssuer};

/// The rules of an issuer for tokens of one resource.
pub(super) struct Rules {
    trusted: TrustedIssuer,
    issuer: Arc<str>,
    resource: ResourceUri,
    audience: Arc<str>,
    defaults: Defaults,
}

/// What a token of an issuer has of which it says nothing.
pub(super) struct Defaults {
    client: ClientId,
    granted: ScopeSet,
}

impl Defaults {
    /// As `trusted` has them, or all that is wrong with them.
    pub(super) fn of(trusted: &TrustedIssuer) -> Result<Self, Vec<ConfigError>> {
        let (name, granted) =
            (trusted.default_client.as_deref().unwrap_or("unknown"), &trusted.granted_scopes);
        let client =
            name.parse().map_err(|_| rule(&format!("default client {name:?}"), "it is no client_id"));
        let granted = granted.parse().map_err(|source| ConfigError::Scopes {
            text: granted.clone(),
            what: format!("what tokens of issuer {:?} are granted", trusted.issuer),
            source,
        });
        match (client, granted) {
            (Ok(client), Ok(granted)) => Ok(Self { client, granted }),
            (client, granted) => Err(client.err().into_iter().chain(granted.err()).collect()),
        }
    }
}

/// What the layer is told, and a word for the log.
type Refusal = (VerifyFault, &'static str);

const fn invalid(reason: &'static str) -> Refusal {
    (VerifyFault::Invalid, reason)
}

impl Rules {
    pub(super) fn new(trusted: TrustedIssuer, resource: &ResourceUri, defaults: Defaults) -> Self {
        Self {
            issuer: trusted.issuer.as_str().into(),
            audience: resource.as_str().into(),
            resource: resource.clone(),
            defaults,
            trusted,
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a token of this `typ` may be an access token (RS-41).
    pub(super) fn is_type(&self, typ: Option<&str>) -> bool {
        match typ {
            Some(typ) => is_type(typ, "at+jwt") || (self.trusted.plain_type && is_type(typ, "JWT")),
            None => self.trusted.plain_type,
        }
    }

    /// The claims of a token whose signature holds, or why they are not good here and now. The reason is for the log.
    pub(super) fn judge(&self, said: &ClaimSet<'_>, now: Timestamp) -> Result<Claims, VerifyFault> {
        self.claims(said, now).map_err(|(fault, reason)| {
            tracing::debug!(reason, issuer = &*self.issuer, "token refused by its issuer's rules");
            fault
        })
    }

    fn claims(&self, said: &ClaimSet<'_>, now: Timestamp) -> Result<Claims, Refusal> {
        let rules = &self.trusted;
        // The key set was chosen by it; that it is this one is checked all the same (RS-46).
        if said.issuer.as_deref() != Some(&*self.issuer) {
            return Err(invalid("issuer"));
        }
        if said.has_fractional_dates() && !rules.fractional_dates {
            return Err(invalid("fractional_date"));
        }
        let requires = |claim| !rules.optional.contains(&claim);
        if said.issued_at.is_none() && requires(RequiredClaim::IssuedAt) {
            return Err(invalid("iat_missing"));
        }
        if said.id.is_none() && requires(RequiredClaim::TokenId) {
            return Err(invalid("jti_missing"));
        }
        let expires_at = said.expires_at.ok_or(invalid("exp_missing"))?.timestamp();
        let latest = now + rules.leeway;
        if now >= expires_at + rules.leeway {
            return Err((VerifyFault::Expired, "expired"));
        }
        let issued_at = said.issued_at.map(|date| date.timestamp());
        let not_before = said.not_before.map(|date| date.timestamp());
        if issued_at.is_some_and(|issued| issued > latest) {
            return Err(invalid("iat_of_the_future"));
        }
        if not_before.is_some_and(|not_before| not_before > latest) {
            return Err(invalid("not_before"));
        }
        if let Some(most) = rules.max_lifetime
            && issued_at.is_none_or(|issued| expires_at.since(issued) > most)
        {
            return Err(invalid("lifetime"));
        }
        let audience = self.audience(said)?;
        for (name, values) in &rules.must_say {
            let text = text(said, name)?.ok_or(invalid("claim_missing"))?;
            if !values.iter().any(|value| *value == text) {
                return Err(invalid("claim_other"));
            }
        }
        let subject = said.subject.as_deref().ok_or(invalid("sub_missing"))?;
        let subject = subject.parse().map_err(|_| invalid("sub"))?;
        let client_id = self.client(said)?;
        let mut claims = Claims::of(self.issuer.clone(), subject, client_id, expires_at);
        claims.subject_kind = self.kind(said, &claims)?;
        claims.audience = audience;
        claims.scopes = self.scopes(said, claims.subject_kind)?;
        if !self.defaults.granted.is_empty() {
            claims.scopes = claims.scopes.union(&self.defaults.granted);
        }
        claims.issued_at = issued_at;
        claims.not_before = not_before;
        claims.leeway = rules.leeway;
        claims.binding = binding(said)?;
        claims.auth_time = said.auth_time.map(|date| date.timestamp());
        claims.extra = self.kept(said)?;
        Ok(claims)
    }

    fn audience(&self, said: &ClaimSet<'_>) -> Result<Vec<Arc<str>>, Refusal> {
        let rules = &self.trusted;
        if said.audience.is_empty() {
            return if rules.without_audience {
                Ok(vec![self.audience.clone()])
            } else {
                Err(invalid("aud_missing"))
            };
        }
        let mut audience = Vec::with_capacity(said.audience.len());
        let mut is_own = false;
        for named in &said.audience {
            if is_audience(named, &self.resource) || rules.audiences.iter().any(|own| own == named) {
                is_own = true;
                audience.push(self.audience.clone());
            } else if rules.any_further_audience
                || rules.further_audiences.iter().any(|further| further == named)
            {
                audience.push(Arc::from(&**named));
            } else {
                return Err(invalid("audience"));
            }
        }
        if is_own { Ok(audience) } else { Err(invalid("audience")) }
    }

    fn client(&self, said: &ClaimSet<'_>) -> Result<ClientId, Refusal> {
        for name in &self.trusted.client_claims {
            if let Some(client) = text(said, name)? {
                return client.parse().map_err(|_| invalid("client_id"));
            }
        }
        if self.trusted.optional.contains(&RequiredClaim::ClientId) || self.trusted.default_client.is_some() {
            return Ok(self.defaults.client.clone());
        }
        Err(invalid("client_id_missing"))
    }

    fn kind(&self, said: &ClaimSet<'_>, claims: &Claims) -> Result<SubjectKind, Refusal> {
        if claims.subject.as_str() == claims.client_id.as_str() {
            return Ok(SubjectKind::Client);
        }
        for (name, value) in &self.trusted.client_marks {
            if text(said, name)?.is_some_and(|text| text == *value) {
                return Ok(SubjectKind::Client);
            }
        }
        let is_client = self
            .trusted
            .client_sign
            .is_some_and(|sign| sign(said, claims.subject.as_str(), claims.client_id.as_str()));
        Ok(if is_client { SubjectKind::Client } else { self.trusted.kind })
    }

    fn scopes(&self, said: &ClaimSet<'_>, kind: SubjectKind) -> Result<ScopeSet, Refusal> {
        let rules = &self.trusted;
        let refused = |_| invalid("scope");
        // A user's roles say what the user may do, not what the client was let do in the user's name.
        let of_client: &[String] = if kind == SubjectKind::Client { &rules.client_scope_claims } else { &[] };
        // The form of RFC 9068, without a detour.
        if let ([only], [], None) = (&*rules.scope_claims, of_client, &rules.scope_prefix)
            && only == "scope"
            && rules.scope_prefix_added.is_empty()
            && let Some(scope) = &said.scope
        {
            return scope.parse().map_err(refused);
        }
        let mut all = String::new();
        for name in rules.scope_claims.iter().chain(of_client) {
            match said.value(name).transpose().map_err(|_| invalid("scope"))? {
                None => {}
                Some(Value::String(text)) => self.add_scopes(&mut all, &text),
                Some(Value::Array(scopes)) if rules.scope_arrays || of_client.contains(name) => {
                    for scope in scopes {
                        let scope = scope.as_str().ok_or(invalid("scope"))?;
                        // A space within would make two of one (A-SCOPE-2).
                        if scope.contains(' ') {
                            return Err(invalid("scope"));
                        }
                        self.add_scopes(&mut all, scope);
                    }
                }
                Some(_) => return Err(invalid("scope")),
            }
        }
        all.parse().map_err(refused)
    }

    fn add_scopes(&self, all: &mut String, scopes: &str) {
        let removed = self.trusted.scope_prefix.as_deref().unwrap_or_default();
        let added = &*self.trusted.scope_prefix_added;
        for scope in scopes.split(' ').filter(|scope| !scope.is_empty()) {
            let scope = scope.strip_prefix(removed).unwrap_or(scope);
            all.push(' ');
            if !scope.starts_with(added) {
                all.push_str(added);
            }
            all.push_str(scope);
        }
    }

    fn kept(&self, said: &ClaimSet<'_>) -> Result<Option<Arc<Map<String, Value>>>, Refusal> {
        let mut kept = Map::new();
        // How a user signed in decides on step-up, whoever the issuer is (RS-30).
        for name in ["acr", "amr"].into_iter().chain(self.trusted.kept.iter().map(String::as_str)) {
            match said.value(name) {
                None => {}
                Some(Ok(value)) => drop(kept.insert(name.to_owned(), value)),
                Some(Err(_)) => return Err(invalid("claim_malformed")),
            }
        }
        Ok((!kept.is_empty()).then(|| Arc::new(kept)))
    }
}

/// A claim that is a text, whether it has a field of its own or not.
fn text<'a>(said: &'a ClaimSet<'_>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    match name {
        "client_id" => Ok(said.client_id.as_deref().map(Cow::Borrowed)),
        "sub" => Ok(said.subject.as_deref().map(Cow::Borrowed)),
        _ => said.text(name).transpose().map_err(|_| invalid("claim_malformed")),
    }
}

/// To what the token is bound. What is bound in a way that is not checked here is not good here (DPOP-11).
fn binding(said: &ClaimSet<'_>) -> Result<Binding, Refusal> {
    let Some(value) = said.value("cnf") else { return Ok(Binding::Bearer) };
    let confirmation = value.ok().and_then(|value| match value {
        Value::Object(members) => Some(members),
        _ => None,
    });
    let confirmation = confirmation.filter(|members| members.len() == 1).ok_or(invalid("cnf"))?;
    let jkt = confirmation.get("jkt").cloned().ok_or(invalid("cnf"))?;
    let thumbprint = serde_json::from_value::<Thumbprint>(jkt).map_err(|_| invalid("cnf"))?;
    Ok(Binding::Dpop(thumbprint))
}
