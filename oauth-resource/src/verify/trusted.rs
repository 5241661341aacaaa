//! An issuer whose tokens are accepted, and by which rules.

use std::fmt;
use std::time::Duration;

use oauth_core::SubjectKind;
use oauth_core::jose::{Algorithm, ClaimSet};

use crate::bearer::MAX_LEEWAY;
use crate::verify::keys::KeySource;

/// An issuer and the rules for its tokens. As it is made, it takes RFC 9068 access tokens alone: `typ` `at+jwt`, with `sub`, `client_id`,
/// `iat`, `jti` and `exp`, for this resource and no other. What an issuer does otherwise is allowed one thing at a time, by name;
/// [`presets`](crate::presets) has the issuers that many people use.
///
/// ```
/// use oauth_resource::{RequiredClaim, TrustedIssuer};
///
/// let ours = TrustedIssuer::new("https://as.example");
/// let theirs = TrustedIssuer::new("https://id.example/tenant")
///     .with_jwks_url("https://id.example/tenant/keys")
///     .with_plain_jwt_type()
///     .without_required([RequiredClaim::TokenId])
///     .with_client_claims(["azp"])
///     .with_scope_claims(["scp"]);
/// assert_ne!(ours.issuer(), theirs.issuer());
/// ```
#[derive(Clone)]
pub struct TrustedIssuer {
    pub(super) issuer: String,
    pub(super) keys: KeySource,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) plain_type: bool,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) fractional_dates: bool,
    pub(super) optional: Vec<RequiredClaim>,
    pub(super) client_claims: Vec<String>,
    pub(super) default_client: Option<String>,
    pub(super) scope_claims: Vec<String>,
    /// Whether they may be arrays, too.
    pub(super) scope_arrays: bool,
    pub(super) client_scope_claims: Vec<String>,
    pub(super) scope_prefix: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) further_audiences: Vec<String>,
    pub(super) any_further_audience: bool,
    pub(super) without_audience: bool,
    pub(super) must_say: Vec<(String, Vec<String>)>,
    pub(super) kept: Vec<String>,
    pub(super) kind: SubjectKind,
    pub(super) client_marks: Vec<(String, String)>,
    pub(super) client_sign: Option<ClientSign>,
    pub(super) scope_prefix_added: String,
    pub(super) granted_scopes: String,
}

/// Tells by what a token says, its subject and its client, whether it is a client's own.
pub(super) type ClientSign = fn(&ClaimSet<'_>, &str, &str) -> bool;

/// A claim that RFC 9068 §2.2 requires. `iss`, `aud`, `exp` and `sub` are not among them: nothing can be said of a token without.
///
/// ```
/// use oauth_resource::{RequiredClaim, TrustedIssuer};
/// let _ = TrustedIssuer::new("https://id.example").without_required([RequiredClaim::TokenId, RequiredClaim::IssuedAt]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequiredClaim {
    /// `client_id`, or what stands for it. Without it the client is called `unknown`, unless
    /// [`with_default_client`](TrustedIssuer::with_default_client) says otherwise.
    ClientId,
    /// `iat`
    IssuedAt,
    /// `jti`
    TokenId,
}

/// What is quick to verify and in use. RS256 is what most issuers sign with.
const DEFAULT_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es384, Algorithm::Ps256, Algorithm::Rs256];

impl TrustedIssuer {
    /// The issuer that calls itself so, byte for byte, with keys found by its metadata (RFC 8414, then OpenID Connect Discovery).
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys: KeySource::Discovery,
            algorithms: DEFAULT_ALGORITHMS.into(),
            plain_type: false,
            leeway: MAX_LEEWAY,
            max_lifetime: None,
            fractional_dates: false,
            optional: Vec::new(),
            client_claims: vec!["client_id".to_owned()],
            default_client: None,
            scope_claims: vec!["scope".to_owned()],
            scope_arrays: false,
            client_scope_claims: Vec::new(),
            scope_prefix: None,
            audiences: Vec::new(),
            further_audiences: Vec::new(),
            any_further_audience: false,
            without_audience: false,
            must_say: Vec::new(),
            kept: Vec::new(),
            kind: SubjectKind::User,
            client_marks: Vec::new(),
            client_sign: None,
            scope_prefix_added: String::new(),
            granted_scopes: String::new(),
        }
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Keys from this URL; metadata is not read.
    #[must_use]
    pub fn with_jwks_url(mut self, url: &str) -> Self {
        self.keys = KeySource::Url(url.to_owned());
        self
    }

    /// These keys, a JSON Web Key Set, and no others: nothing is fetched.
    #[must_use]
    pub fn with_jwks(mut self, json: &str) -> Self {
        self.keys = KeySource::Fixed(json.to_owned());
        self
    }

    /// Only these algorithms. Without it ES256, EdDSA, ES384, PS256, RS256 (RS-42).
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Also tokens with `typ` `JWT` or none: what many issuers write. ID tokens look the same, so that audience and required claims alone
    /// tell them from access tokens (RS-41).
    #[must_use]
    pub fn with_plain_jwt_type(mut self) -> Self {
        self.plain_type = true;
        self
    }

    /// By how much its clock may differ, at most [`MAX_LEEWAY`], which is what holds without this (RS-52).
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MAX_LEEWAY);
        self
    }

    /// Refuses tokens that are made to live longer, counted from `iat` (A-JWT-13).
    #[must_use]
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// Also dates with a fraction, which is rounded down. RFC 7519 allows them, RFC 9068's issuers do not write them.
    #[must_use]
    pub fn with_fractional_dates(mut self) -> Self {
        self.fractional_dates = true;
        self
    }

    /// Also tokens without these claims (RS-53).
    #[must_use]
    pub fn without_required(mut self, claims: impl IntoIterator<Item = RequiredClaim>) -> Self {
        self.optional.extend(claims);
        self
    }

    /// Which claims name the client; the first that is there counts. Without it, `client_id`.
    #[must_use]
    pub fn with_client_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.client_claims = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// What the client is called where no claim names it.
    #[must_use]
    pub fn with_default_client(mut self, client: &str) -> Self {
        self.default_client = Some(client.to_owned());
        self
    }

    /// Which claims hold scopes: strings with spaces between them, or arrays of strings (`scp`). All that are there count together. Without
    /// it, `scope` as a string (RFC 9068 §2.2.3, A-SCOPE-5).
    ///
    /// What a user may do (`permissions`, `roles`) is not what the user let this client do: named here, it widens what was consented to.
    #[must_use]
    pub fn with_scope_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope_claims = names.into_iter().map(str::to_owned).collect();
        self.scope_arrays = true;
        self
    }

    /// Which claims hold scopes besides in tokens that are a client's own: nobody's consent is widened there. See
    /// [`with_client_mark`](Self::with_client_mark).
    #[must_use]
    pub fn with_client_scope_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.client_scope_claims = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// Gives these scopes to every token of this issuer that is good here, beside what it says of its own: for issuers that know of none, as
    /// those of workloads. Who gets such a token is then all that stands before what they open: say whose are good, by
    /// [`with_claim`](Self::with_claim).
    ///
    /// ```
    /// use oauth_resource::presets::github_actions;
    /// let issuer = github_actions("octo-org").with_claim("repository", ["octo-org/deploy"]).with_granted_scopes("mcp:tools");
    /// ```
    #[must_use]
    pub fn with_granted_scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.granted_scopes);
        self
    }

    /// Writes this before each scope of a token that does not have it: Entra names a scope in full where it is asked for
    /// (`api://…/Notes.Read`), and short in the token. Rules then name scopes in full, as challenges must: clients ask for what they say.
    ///
    /// ```
    /// use oauth_resource::presets::entra;
    /// let application = "11112222-bbbb-3333-cccc-4444dddd5555";
    /// let issuer = entra("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", application)
    ///     .with_scope_prefix_added(&format!("api://{application}/"));
    /// assert!(issuer.issuer().starts_with("https://login.microsoftonline.com/"));
    /// ```
    #[must_use]
    pub fn with_scope_prefix_added(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.scope_prefix_added);
        self
    }

    /// Takes this off the front of each scope that has it. Challenges then name what is left: only for issuers that know scopes by that name
    /// where they are asked for.
    #[must_use]
    pub fn with_scope_prefix_removed(mut self, prefix: &str) -> Self {
        self.scope_prefix = Some(prefix.to_owned());
        self
    }

    /// This audience too means this resource: issuers that name resources in their own way. Letter by letter.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }

    /// A token for this resource may be for this audience as well. Others may not be named beside it: whoever else gets such a token could
    /// use it here (RS-49).
    #[must_use]
    pub fn with_further_audience(mut self, audience: &str) -> Self {
        self.further_audiences.push(audience.to_owned());
        self
    }

    /// A hole: a token for this resource may be for any other as well. Whoever gets it there can use it here.
    #[must_use]
    pub fn insecure_any_further_audience(mut self) -> Self {
        self.any_further_audience = true;
        self
    }

    /// A hole, unless another claim says for whom a token is ([`with_claim`](Self::with_claim)): tokens without any audience are taken for
    /// this resource. One that names others is still refused.
    #[must_use]
    pub fn insecure_without_audience(mut self) -> Self {
        self.without_audience = true;
        self
    }

    /// Only tokens in which this claim is one of these texts.
    #[must_use]
    pub fn with_claim<'a>(mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.must_say.push((name.to_owned(), values.into_iter().map(str::to_owned).collect()));
        self
    }

    /// Hands these claims on in [`Claims::extra`](oauth_core::Claims::extra).
    #[must_use]
    pub fn with_kept_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.kept.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Who stands behind its tokens. Without it, users; whose subject is the client itself is taken for a client in any case (RS-57).
    #[must_use]
    pub fn with_subject_kind(mut self, kind: SubjectKind) -> Self {
        self.kind = kind;
        self
    }

    /// A token in which this claim is this text is a client's own, not a user's (RS-57).
    #[must_use]
    pub fn with_client_mark(mut self, claim: &str, value: &str) -> Self {
        self.client_marks.push((claim.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn with_client_sign(mut self, sign: ClientSign) -> Self {
        self.client_sign = Some(sign);
        self
    }
}

impl fmt::Debug for TrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuer")
            .field("issuer", &self.issuer)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
