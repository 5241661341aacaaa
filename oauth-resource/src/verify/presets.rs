//! Issuers that many people have: how each calls itself, and where its access tokens depart from RFC 9068.
//!
//! Each returns a [`TrustedIssuer`] to go on with. What they relax is named here, so that nobody need guess:
//!
//! | issuer | `typ` | `aud` | client | scopes | missing |
//! |---|---|---|---|---|---|
//! | [`auth0`], [`auth0_custom_domain`] | `JWT` | the API's identifier, and the tenant's own `…/userinfo` beside it | `azp` | `scope`, a client's own `permissions` | `jti` |
//! | [`okta`] | none | the authorization server's audience | `cid` | `scp` (array) | |
//! | [`entra`] | `JWT` | the application's ID, or `api://…` | `azp` | `scp`, an application's own `roles` | `jti` |
//! | [`google`] | `JWT` | the client's ID: these are ID tokens | `azp` | none | `jti` |
//! | [`keycloak`] | `JWT` | by an audience mapper, and clients by the scope `roles` | `azp` | `scope` | |
//! | [`cognito`] | none | none, or the resource where the client asked for one; the client is what is checked | `client_id` | `scope` | |
//! | [`workos`] | `JWT` | the resource, or the environment's client ID | `client_id` | `scope`, a client's own `permissions` | |
//! | [`stytch`] | `JWT` | the project's ID | `client_id` | `scope` | |
//! | [`supabase`] | `JWT` | `authenticated`, for all of the project | `client_id` | none | `jti` |
//! | [`clerk_for_resource`] | `at+jwt` | the resource that the client asked for | `client_id` | `scope` | |
//! | [`clerk`] | `at+jwt` | none, or the resource where the client asked for one; the client is what is checked | `client_id` | `scope` | |
//! | [`github_actions`] | `JWT` | what the workflow asked for | the workflow | none | |
//!
//! `permissions` and `roles` say what a user may do, not what the user let a client do: in tokens of users they do not count as scopes. Where
//! they are to, say so: `.with_scope_claims(["scope", "permissions"])`.

use oauth_core::SubjectKind;
use oauth_core::jose::Algorithm;

use crate::verify::trusted::{RequiredClaim, TrustedIssuer};

/// Auth0. `domain` is the tenant's own, `name.region.auth0.com`, and [`auth0_custom_domain`] is for others; `audience` the identifier of the
/// API, if it is not the resource's own. The issuer ends in a slash.
///
/// ```
/// use oauth_resource::presets::auth0;
/// assert_eq!(auth0("tenant.eu.auth0.com", "https://notes.example/api").issuer(), "https://tenant.eu.auth0.com/");
/// ```
#[must_use]
pub fn auth0(domain: &str, audience: &str) -> TrustedIssuer {
    auth0_custom_domain(domain, domain, audience)
}

/// Auth0 at a custom `domain`. `tenant` is the tenant's own one: tokens of users name its `/userinfo` beside the API, wherever they were asked
/// for. Those that were asked for at the tenant's own domain are of another issuer, which [`auth0`] trusts.
///
/// ```
/// use oauth_resource::presets::auth0_custom_domain;
/// let issuer = auth0_custom_domain("login.example.com", "tenant.eu.auth0.com", "https://notes.example/api");
/// assert_eq!(issuer.issuer(), "https://login.example.com/");
/// ```
#[must_use]
pub fn auth0_custom_domain(domain: &str, tenant: &str, audience: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{domain}/"))
        .with_plain_jwt_type()
        .without_required([RequiredClaim::TokenId])
        .with_audience(audience)
        // Beside it whenever `openid` was asked for; that endpoint is Auth0's own.
        .with_further_audience(&format!("https://{tenant}/userinfo"))
        .with_client_claims(["azp", "client_id"])
        .with_client_scope_claims(["permissions"])
        // Tokens of the profile of RFC 9068 have no `gty`.
        .with_client_mark("gty", "client-credentials")
        .with_client_sign(|_, subject, client| subject.strip_suffix("@clients") == Some(client))
}

/// Okta, a custom authorization server (`default`, say): the one of the organisation has tokens that only Okta can read.
///
/// ```
/// use oauth_resource::presets::okta;
/// assert_eq!(okta("dev-1.okta.com", "default", "api://default").issuer(), "https://dev-1.okta.com/oauth2/default");
/// ```
#[must_use]
pub fn okta(domain: &str, server: &str, audience: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{domain}/oauth2/{server}"))
        .with_plain_jwt_type()
        .with_audience(audience)
        .with_client_claims(["cid"])
        .with_scope_claims(["scp"])
        .with_algorithms([Algorithm::Rs256])
        // An ID token has `nonce` or not, but never `cid`; `ver` stands in both.
        .with_kept_claims(["uid", "groups"])
}

/// Microsoft Entra ID, one tenant, tokens of version 2.0. `application` is the API's application (client) ID; tokens for `api://<ID>` are taken
/// as well. In several tenants, trust each: a token's issuer names its own. Scopes are short in tokens, and asked for in full: see
/// [`with_scope_prefix_added`](TrustedIssuer::with_scope_prefix_added).
///
/// ```
/// use oauth_resource::presets::entra;
/// let tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
/// let issuer = entra(tenant, "11112222-bbbb-3333-cccc-4444dddd5555");
/// assert_eq!(issuer.issuer(), format!("https://login.microsoftonline.com/{tenant}/v2.0"));
/// ```
#[must_use]
pub fn entra(tenant: &str, application: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://login.microsoftonline.com/{tenant}/v2.0"))
        .with_plain_jwt_type()
        .without_required([RequiredClaim::TokenId])
        .with_algorithms([Algorithm::Rs256])
        .with_audience(application)
        .with_audience(&format!("api://{application}"))
        .with_claim("ver", ["2.0"])
        .with_claim("tid", [tenant])
        .with_client_claims(["azp", "appid"])
        .with_scope_claims(["scp"])
        .with_client_scope_claims(["roles"])
        .with_client_mark("idtyp", "app")
        // Which is there only where the API asks for it. What a user agreed to has scopes, and names the user in two ways.
        .with_client_sign(|said, subject, _| {
            said.value("scp").is_none()
                && said.text("oid").is_some_and(|oid| oid.is_ok_and(|oid| oid == subject))
        })
        .with_kept_claims(["oid", "tid"])
}

/// Google. Its access tokens are opaque; these are ID tokens, for a resource that is the client itself: services with a service account, or
/// a browser front end of your own. They have no scopes.
///
/// ```
/// use oauth_resource::presets::google;
/// assert_eq!(google("1234.apps.googleusercontent.com").issuer(), "https://accounts.google.com");
/// ```
#[must_use]
pub fn google(client_id: &str) -> TrustedIssuer {
    TrustedIssuer::new("https://accounts.google.com")
        .with_plain_jwt_type()
        .without_required([RequiredClaim::TokenId])
        .with_algorithms([Algorithm::Rs256])
        .with_audience(client_id)
        .with_client_claims(["azp"])
        .with_kept_claims(["email", "email_verified", "hd", "name"])
}

/// Keycloak, one realm. `base` is where it answers: `https://id.example`, with `/auth` for old ones. Give the client scope an audience mapper
/// with the resource's identifier, or the tokens name `account` alone.
///
/// The scope `roles`, there by default, adds each client in whose roles the user has a part. Tokens that name one are refused, as whoever else
/// gets them could use them here: take its mapper `audience resolve` away, or name those that may have them by
/// [`with_further_audience`](TrustedIssuer::with_further_audience). Refused as well are tokens of realms without the scope `basic`, which name
/// no subject.
///
/// ```
/// use oauth_resource::presets::keycloak;
/// assert_eq!(keycloak("https://id.example", "staff").issuer(), "https://id.example/realms/staff");
/// ```
#[must_use]
pub fn keycloak(base: &str, realm: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("{}/realms/{realm}", base.trim_end_matches('/')))
        .with_plain_jwt_type()
        // In the payload: ID tokens say `ID` there, refresh tokens `Refresh`, logout tokens `Logout`.
        .with_claim("typ", ["Bearer", "DPoP"])
        // There by default, for Keycloak's own account console.
        .with_further_audience("account")
        .with_client_claims(["azp", "client_id"])
        // The user that stands for a client: by the grant, or by its name, which the scope `service_account` adds, without a session, which
        // whoever else took that name would have.
        .with_client_sign(|said, _, client| {
            let in_session = ["sid", "session_state"].iter().any(|name| said.value(name).is_some());
            let name = said.text("preferred_username").and_then(Result::ok);
            let is_service = |name: &str| {
                name.strip_prefix("service-account-").is_some_and(|of| of.eq_ignore_ascii_case(client))
            };
            let of_client = said.id.as_deref().is_some_and(is_of_client_credentials);
            of_client || (!in_session && name.is_some_and(|name| is_service(&name)))
        })
        .with_kept_claims(["realm_access", "resource_access", "preferred_username"])
}

/// Keycloak begins a token's ID with the kinds of its session, of the token and of the grant, two letters each: `trrtcc:`. Old ones do not, and
/// write a UUID.
fn is_of_client_credentials(id: &str) -> bool {
    matches!(id.as_bytes(), [_, _, _, _, b'c', b'c', b':', ..])
}

/// Amazon Cognito, one user pool. Access tokens name no audience, unless the client asked for a resource (RFC 8707), and then that must be this
/// one: only those of these clients are taken. Scopes of a resource server are
/// written with its identifier in front (`notes-api/read`): write them so in your rules, too, since clients ask for what challenges say.
///
/// ```
/// use oauth_resource::presets::cognito;
/// let issuer = cognito("eu-west-1", "eu-west-1_AbCdEf", ["1h57kf5cpq17m0eml12EXAMPLE"]);
/// assert_eq!(issuer.issuer(), "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf");
/// ```
#[must_use]
pub fn cognito<'a>(region: &str, pool: &str, clients: impl IntoIterator<Item = &'a str>) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://cognito-idp.{region}.amazonaws.com/{pool}"))
        .with_plain_jwt_type()
        .with_algorithms([Algorithm::Rs256])
        .insecure_without_audience()
        .with_claim("client_id", clients)
        // ID tokens say `id`.
        .with_claim("token_use", ["access"])
        .with_kept_claims(["username", "cognito:groups"])
}

/// WorkOS AuthKit. `domain` is the environment's (`name-1234.authkit.app`) or a custom one. With resource indicators on, tokens of users name
/// the resource. Without, and those of machines in any case, they name the client ID of the environment, not of who asked: give that one to
/// [`with_audience`](TrustedIssuer::with_audience). Any client of the environment is then taken; narrow it down with
/// [`with_claim`](TrustedIssuer::with_claim) on `client_id`. `permissions` stand in tokens of sessions, which are not taken; where a client's
/// own token has some, they count.
///
/// ```
/// use oauth_resource::presets::workos;
/// let issuer = workos("imaginative-palm-54.authkit.app").with_audience("client_01HXENV0000000000000000000");
/// assert_eq!(issuer.issuer(), "https://imaginative-palm-54.authkit.app");
/// ```
#[must_use]
pub fn workos(domain: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{domain}"))
        .with_plain_jwt_type()
        .with_algorithms([Algorithm::Rs256])
        .without_required([RequiredClaim::ClientId])
        .with_client_claims(["client_id", "azp"])
        .with_client_scope_claims(["permissions"])
        .with_kept_claims(["org_id", "sid", "role"])
}

/// Stytch Connected Apps. `domain` is the project's (`noun-verb-1234.customers.stytch.com`) or a custom one; `project` the project's ID, which
/// every access token of it names as audience. Tokens that were fetched through `stytch.com` have another issuer, `stytch.com/<project>`, and
/// are refused.
///
/// ```
/// use oauth_resource::presets::stytch;
/// assert_eq!(stytch("login.example.com", "project-live-1").issuer(), "https://login.example.com");
/// ```
#[must_use]
pub fn stytch(domain: &str, project: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{domain}"))
        .with_plain_jwt_type()
        .with_algorithms([Algorithm::Rs256])
        .with_audience(project)
}

/// Supabase, tokens of its OAuth 2.1 server with asymmetric signing keys. All tokens of a project name one audience, `authenticated`: any client
/// of the project is taken, so long as a client is named, which the sessions of the project's own front end do not do. Narrow it down
/// with [`with_claim`](TrustedIssuer::with_claim) on `client_id`.
///
/// Tokens name no scopes: those that the user agreed to rule the ID token and what is said of the user alone. Rules that demand any refuse
/// everybody, unless [`with_granted_scopes`](TrustedIssuer::with_granted_scopes) gives them to all whose tokens are good.
///
/// ```
/// use oauth_resource::presets::supabase;
/// let issuer = supabase("abcdefghijkl")
///     .with_claim("client_id", ["9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d"])
///     .with_granted_scopes("notes:read");
/// assert_eq!(issuer.issuer(), "https://abcdefghijkl.supabase.co/auth/v1");
/// ```
#[must_use]
pub fn supabase(project: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{project}.supabase.co/auth/v1"))
        .with_plain_jwt_type()
        .without_required([RequiredClaim::TokenId])
        .with_algorithms([Algorithm::Es256, Algorithm::Rs256])
        .with_audience("authenticated")
        .with_claim("role", ["authenticated"])
        .with_kept_claims(["email", "session_id", "aal"])
}

/// Clerk, as an OAuth provider whose access tokens are JWTs. `domain` is the frontend API's (`name-12.clerk.accounts.dev`, `clerk.example.com`).
/// A token names the resource if its client asked for one (RFC 8707), as clients of MCP do: those that name this one are taken, whoever asked,
/// and so those of clients that registered themselves. For clients that name none there is [`clerk`]. Sessions of Clerk's own front end
/// are of another type, and are not taken.
///
/// ```
/// use oauth_resource::presets::clerk_for_resource;
/// assert_eq!(clerk_for_resource("clerk.example.com").issuer(), "https://clerk.example.com");
/// ```
#[must_use]
pub fn clerk_for_resource(domain: &str) -> TrustedIssuer {
    TrustedIssuer::new(&format!("https://{domain}"))
        .with_algorithms([Algorithm::Rs256])
        .with_scope_claims(["scope", "scp"])
}

/// Clerk, as [`clerk_for_resource`] has it, for clients that ask for no resource, so that their tokens name no audience: only those of these
/// clients are taken. One that names a resource must name this one, and be of these clients as well.
///
/// ```
/// use oauth_resource::presets::clerk;
/// assert_eq!(clerk("clerk.example.com", ["client_1"]).issuer(), "https://clerk.example.com");
/// ```
#[must_use]
pub fn clerk<'a>(domain: &str, clients: impl IntoIterator<Item = &'a str>) -> TrustedIssuer {
    clerk_for_resource(domain).insecure_without_audience().with_claim("client_id", clients)
}

/// GitHub Actions, for workflows that call without a secret. Everybody on GitHub gets tokens of this issuer: only those of one `owner` are
/// taken. The workflow asks for a token with the resource's identifier as audience. Its subject is the repository with the ref or the
/// environment: `repo:octo-org/octo-repo:environment:prod`, and in newer repositories `repo:octo-org@65/octo-repo@74:environment:prod`.
///
/// A name that its owner gave up is free for anybody to take, the number beside it is not: also demand `repository_owner_id`, or
/// `repository_id`.
///
/// ```
/// use oauth_resource::presets::github_actions;
/// let issuer = github_actions("octo-org")
///     .with_claim("repository_owner_id", ["65"])
///     .with_claim("repository", ["octo-org/deploy"]);
/// assert_eq!(issuer.issuer(), "https://token.actions.githubusercontent.com");
/// ```
#[must_use]
pub fn github_actions(owner: &str) -> TrustedIssuer {
    TrustedIssuer::new("https://token.actions.githubusercontent.com")
        .with_plain_jwt_type()
        .with_algorithms([Algorithm::Rs256])
        .with_claim("repository_owner", [owner])
        .with_client_claims(["job_workflow_ref"])
        .with_default_client("github-actions")
        .with_scope_claims([])
        .with_subject_kind(SubjectKind::Workload)
        .with_kept_claims([
            "repository",
            "repository_id",
            "repository_owner_id",
            "ref",
            "environment",
            "workflow",
            "run_id",
            "actor",
        ])
}
