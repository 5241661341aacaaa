//! Tokens as other people's issuers write them, of the shape that their documentation shows, signed by a key of ours. Documents are
//! those that they publish at their well-known addresses, cut down to what is read.

use std::sync::Arc;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::{Claims, SubjectKind, VerifyFault, async_trait};
use oauth_resource::{JwtVerifier, TrustedIssuer, presets};
use serde_json::{Value, json};

use crate::fixture::{KEY, NOW, RESOURCE, RSA, ask, refused};

/// An issuer with one metadata document and one key set, and 404 for the rest.
struct Published(StaticFetch);

#[async_trait]
impl Fetch for Published {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        match self.0.fetch(request).await {
            Err(FetchError::Unreachable { .. }) => Ok(Fetched::new(StatusCode::NOT_FOUND, "not found")),
            answer => answer,
        }
    }
}

/// What is sent, and where the issuer says so.
struct Case {
    trusted: TrustedIssuer,
    metadata: &'static str,
    jwks_uri: &'static str,
    /// What the header has besides `alg` and `kid`.
    header: Value,
    claims: Value,
}

impl Case {
    fn verifier(&self) -> JwtVerifier {
        // As Entra and others publish them: without `alg`, with members of their own.
        let mut key = RSA.public_jwk().to_json();
        key.remove("alg");
        key.insert("x5c".to_owned(), json!(["MIIC"]));
        key.insert("issuer".to_owned(), "https://login.example".into());
        let es = KEY.public_jwk().to_json();
        let metadata = json!({"issuer": self.trusted.issuer(), "jwks_uri": self.jwks_uri, "response_types_supported": ["code"]});
        let fetch = StaticFetch::new()
            .with(self.metadata, Fetched::json(metadata.to_string()))
            .with(self.jwks_uri, Fetched::json(json!({"keys": [key, es]}).to_string()));
        let builder = JwtVerifier::builder(RESOURCE).issuer(self.trusted.clone());
        builder.fetch(Arc::new(Published(fetch))).build().unwrap()
    }

    fn token(&self, change: &[(&str, Value)]) -> String {
        let mut header = self.header.clone();
        header["alg"] = "RS256".into();
        header["kid"] = RSA.kid().into();
        let mut claims = self.claims.clone();
        claims["iss"] = self.trusted.issuer().into();
        claims["exp"] = json!(NOW + 3600);
        claims["iat"] = json!(NOW);
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        // What is nothing is not there.
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        RSA.sign_under(&header, &claims).unwrap()
    }

    async fn accepted(&self) -> Claims {
        ask(&self.verifier(), &self.token(&[])).await.unwrap()
    }

    /// Refused once one claim is something else.
    async fn holds_to(&self, name: &str, value: Value) {
        let answer: Result<Claims, VerifyFault> =
            ask(&self.verifier(), &self.token(&[(name, value.clone())])).await;
        assert!(refused(&answer), "{name} {value} at {}", self.trusted.issuer());
    }
}

fn said(claims: &Claims) -> (&str, &str, &str, SubjectKind) {
    (claims.subject.as_str(), claims.client_id.as_str(), claims.scopes.as_str(), claims.subject_kind)
}

#[tokio::test]
async fn auth0() {
    let case = Case {
        trusted: presets::auth0("tenant.eu.auth0.com", "https://notes.example/api"),
        metadata: "https://tenant.eu.auth0.com/.well-known/openid-configuration",
        jwks_uri: "https://tenant.eu.auth0.com/.well-known/jwks.json",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "azp": "my_client_id", "scope": "openid profile notes:read",
            "aud": ["https://notes.example/api", "https://tenant.eu.auth0.com/userinfo"], "permissions": ["notes:write"],
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(
        said(&claims),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "my_client_id", "notes:read openid profile", SubjectKind::User)
    );
    case.holds_to("aud", json!("https://tenant.eu.auth0.com/userinfo")).await;
    case.holds_to("aud", json!(["https://notes.example/api", "https://other.example"])).await;
    case.holds_to("iss", json!("https://tenant.eu.auth0.com")).await;
    let machine = case.token(&[("sub", json!("my_client_id@clients")), ("gty", json!("client-credentials"))]);
    let machine = ask(&case.verifier(), &machine).await.unwrap();
    assert_eq!(machine.subject_kind, SubjectKind::Client);
    // What a client may do by itself counts; what a user may do does not widen what was consented to.
    assert_eq!(machine.scopes.as_str(), "notes:read notes:write openid profile");
    // Its profile of RFC 9068 says it by the subject alone, and nobody is called like the machine of another client (RS-57).
    for (subject, kind) in
        [("my_client_id@clients", SubjectKind::Client), ("another@clients", SubjectKind::User)]
    {
        let header = json!({"typ": "at+jwt"});
        let profile = Case { header, trusted: case.trusted.clone(), claims: case.claims.clone(), ..case };
        let token = profile.token(&[
            ("sub", json!(subject)),
            ("azp", Value::Null),
            ("client_id", json!("my_client_id")),
            ("jti", json!("j")),
        ]);
        assert_eq!(ask(&profile.verifier(), &token).await.unwrap().subject_kind, kind, "{subject}");
    }
}

#[tokio::test]
async fn okta() {
    let case = Case {
        trusted: presets::okta("dev-1.okta.com", "default", "api://default"),
        metadata: "https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration",
        jwks_uri: "https://dev-1.okta.com/oauth2/default/v1/keys",
        header: json!({}),
        claims: json!({
            "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default", "cid": "0oabz",
            "uid": "00uid4BxXw6I6TV4m0g3", "scp": ["notes:read", "openid"], "sub": "john.doe@example.com",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(said(&claims), ("john.doe@example.com", "0oabz", "notes:read openid", SubjectKind::User));
    case.holds_to("aud", json!("0oabz")).await;
    // An ID token.
    case.holds_to("cid", json!(1)).await;
    let service = ask(&case.verifier(), &case.token(&[("sub", json!("0oabz"))])).await.unwrap();
    assert_eq!(service.subject_kind, SubjectKind::Client);
}

#[tokio::test]
async fn entra() {
    let case = Case {
        trusted: presets::entra(
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a490",
            "11112222-bbbb-3333-cccc-4444dddd5555",
        ),
        metadata: "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0/.well-known/openid-configuration",
        jwks_uri: "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/discovery/v2.0/keys",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "aud": "11112222-bbbb-3333-cccc-4444dddd5555", "nbf": NOW, "azp": "00001111-aaaa-2222-bbbb-3333cccc4444", "azpacr": "0",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "rh": "0.AAA", "scp": "Notes.Read Notes.Write", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(
        said(&claims),
        (
            "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "00001111-aaaa-2222-bbbb-3333cccc4444",
            "Notes.Read Notes.Write",
            SubjectKind::User
        )
    );
    assert_eq!(claims.extra.unwrap()["oid"], "690222be-ff1a-4d56-abd1-7e4f7d38e474");
    case.holds_to("tid", json!("another tenant")).await;
    case.holds_to("ver", json!("1.0")).await;
    case.holds_to("aud", json!("00000003-0000-0000-c000-000000000000")).await;
    let app = case.token(&[("idtyp", json!("app")), ("roles", json!(["Notes.All"])), ("scp", json!(""))]);
    let app = ask(&case.verifier(), &app).await.unwrap();
    assert_eq!((app.scopes.as_str(), app.subject_kind), ("Notes.All", SubjectKind::Client));
    let user = ask(&case.verifier(), &case.token(&[("roles", json!(["Notes.All"]))])).await.unwrap();
    assert_eq!(user.scopes.as_str(), "Notes.Read Notes.Write");
    // Where the API did not ask for `idtyp`: without scopes, and the subject is the object.
    let roles = [("roles", json!(["Notes.All"])), ("scp", Value::Null)];
    for (object, scopes, kind) in [
        (case.claims["sub"].clone(), "Notes.All", SubjectKind::Client),
        (case.claims["oid"].clone(), "", SubjectKind::User),
    ] {
        let token = case.token(&[&roles[..], &[("oid", object)]].concat());
        let claims = ask(&case.verifier(), &token).await.unwrap();
        assert_eq!((claims.scopes.as_str(), claims.subject_kind), (scopes, kind));
    }
    // RS-19, RS-22: a challenge names what Entra can be asked for.
    let application = "api://11112222-bbbb-3333-cccc-4444dddd5555/";
    let full = Case { trusted: case.trusted.clone().with_scope_prefix_added(application), ..case };
    assert_eq!(
        full.accepted().await.scopes,
        format!("{application}Notes.Read {application}Notes.Write").parse().unwrap()
    );
}

#[tokio::test]
async fn google() {
    let case = Case {
        trusted: presets::google("1234.apps.googleusercontent.com"),
        metadata: "https://accounts.google.com/.well-known/openid-configuration",
        jwks_uri: "https://www.googleapis.com/oauth2/v3/certs",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "azp": "1234.apps.googleusercontent.com", "aud": "1234.apps.googleusercontent.com", "sub": "10769150350006150715113082367",
            "email": "jsmith@example.com", "email_verified": true, "hd": "example.com", "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(said(&claims).2, "");
    assert_eq!(claims.extra.unwrap()["email_verified"], true);
    case.holds_to("aud", json!("other.apps.googleusercontent.com")).await;
}

#[tokio::test]
async fn keycloak() {
    let case = Case {
        trusted: presets::keycloak("https://id.example/", "staff"),
        metadata: "https://id.example/realms/staff/.well-known/openid-configuration",
        jwks_uri: "https://id.example/realms/staff/protocol/openid-connect/certs",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "jti": "onrtac:1b2c", "aud": [RESOURCE, "account"], "sub": "f1888f4d-5172-4359-be0c-af338505d86c", "typ": "Bearer",
            "azp": "mcp-client", "sid": "c1", "acr": "1", "allowed-origins": ["/*"], "realm_access": {"roles": ["offline_access"]},
            "scope": "openid notes:read", "preferred_username": "alice",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(
        said(&claims),
        ("f1888f4d-5172-4359-be0c-af338505d86c", "mcp-client", "notes:read openid", SubjectKind::User)
    );
    let extra = claims.extra.unwrap();
    assert_eq!((&extra["acr"], &extra["realm_access"]["roles"][0]), (&json!("1"), &json!("offline_access")));
    // RS-57
    for (name, session, kind) in [
        ("service-account-mcp-client", Value::Null, SubjectKind::Client),
        ("service-account-MCP-client", Value::Null, SubjectKind::Client),
        ("service-account-other", Value::Null, SubjectKind::User),
        ("mcp-client", Value::Null, SubjectKind::User),
        // Somebody who took that name, and signed in.
        ("service-account-mcp-client", json!("c1"), SubjectKind::User),
    ] {
        let token = case.token(&[("preferred_username", json!(name)), ("sid", session)]);
        assert_eq!(ask(&case.verifier(), &token).await.unwrap().subject_kind, kind, "{name}");
    }
    case.holds_to("typ", json!("ID")).await;
    case.holds_to("typ", json!("Refresh")).await;
    case.holds_to("aud", json!("account")).await;
}

#[tokio::test]
async fn cognito() {
    let case = Case {
        trusted: presets::cognito("eu-west-1", "eu-west-1_AbCdEf", ["1h57kf5cpq17m0eml12EXAMPLE"])
            .with_scope_prefix_removed("notes-api/"),
        metadata: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf/.well-known/openid-configuration",
        jwks_uri: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf/.well-known/jwks.json",
        header: json!({}),
        claims: json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["testgroup"], "version": 2, "client_id": "1h57kf5cpq17m0eml12EXAMPLE",
            "origin_jti": "a", "token_use": "access", "scope": "openid notes-api/read", "auth_time": NOW - 10, "jti": "b", "username": "my-test-user",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(said(&claims).2, "openid read");
    case.holds_to("client_id", json!("another")).await;
    case.holds_to("token_use", json!("id")).await;
    case.holds_to("aud", json!("1h57kf5cpq17m0eml12EXAMPLE")).await;
}

#[tokio::test]
async fn workos() {
    let case = Case {
        trusted: presets::workos("imaginative-palm-54.authkit.app"),
        metadata: "https://imaginative-palm-54.authkit.app/.well-known/oauth-authorization-server",
        jwks_uri: "https://imaginative-palm-54.authkit.app/oauth2/jwks",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "aud": RESOURCE, "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT", "client_id": "client_01", "sid": "session_01", "jti": "j",
            "org_id": "org_01", "scope": "openid notes:read",
        }),
    };
    assert_eq!(
        said(&case.accepted().await),
        ("user_01HBEQKA6K4QJAS93VPE39W1JT", "client_01", "notes:read openid", SubjectKind::User)
    );
    case.holds_to("aud", json!("https://other.example")).await;
    // What a user may do is no scope that the user gave to a client; what a client may do by itself is.
    let scopes = async |change: &[(&str, Value)]| {
        let claims = ask(&case.verifier(), &case.token(change)).await.unwrap();
        (claims.scopes.to_string(), claims.subject_kind)
    };
    let permissions = ("permissions", json!(["notes:write"]));
    assert_eq!(
        scopes(std::slice::from_ref(&permissions)).await,
        ("notes:read openid".to_owned(), SubjectKind::User)
    );
    let own = scopes(&[permissions, ("sub", json!("client_01"))]).await;
    assert_eq!(own, ("notes:read notes:write openid".to_owned(), SubjectKind::Client));
}

#[tokio::test]
async fn stytch() {
    let case = Case {
        trusted: presets::stytch("noun-verb-1234.customers.stytch.com", "project-test-1"),
        metadata: "https://noun-verb-1234.customers.stytch.com/.well-known/oauth-authorization-server",
        jwks_uri: "https://noun-verb-1234.customers.stytch.com/.well-known/jwks.json",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "sub": "user-test-16d9ba61-97a1-4ba4-9720-b03761dc50c6", "aud": ["project-test-1"], "client_id": "connected-app-test-d731954d",
            "nbf": NOW, "jti": "LOe49j3s9d9dmacslUvrb15ZIjPbptMm7fS5UlE52JCF", "scope": "openid email",
        }),
    };
    assert_eq!(said(&case.accepted().await).1, "connected-app-test-d731954d");
    // An ID token: for the client.
    case.holds_to("aud", json!(["connected-app-test-d731954d"])).await;
}

#[tokio::test]
async fn supabase() {
    let case = Case {
        trusted: presets::supabase("abcdefghijkl"),
        metadata: "https://abcdefghijkl.supabase.co/.well-known/oauth-authorization-server/auth/v1",
        jwks_uri: "https://abcdefghijkl.supabase.co/auth/v1/.well-known/jwks.json",
        header: json!({"typ": "JWT"}),
        claims: json!({
            "sub": "2f1c7d1a-0000-4000-8000-000000000000", "role": "authenticated", "aud": "authenticated", "user_id": "2f1c7d1a", "email": "user@example.com",
            "client_id": "9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d", "aal": "aal1", "amr": [{"method": "password", "timestamp": NOW}], "session_id": "s",
        }),
    };
    assert_eq!(said(&case.accepted().await).1, "9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d");
    case.holds_to("role", json!("anon")).await;
    case.holds_to("aud", json!("anon")).await;
}

#[tokio::test]
async fn clerk() {
    let case = Case {
        trusted: presets::clerk("clerk.example.com", ["client_1"]),
        metadata: "https://clerk.example.com/.well-known/oauth-authorization-server",
        jwks_uri: "https://clerk.example.com/.well-known/jwks.json",
        header: json!({"typ": "at+jwt"}),
        claims: json!({"sub": "user_1deJLArSTiWiF1YdsEWysnhJLLY", "client_id": "client_1", "jti": "oat_1", "scope": "email profile", "nbf": NOW - 10}),
    };
    assert_eq!(
        said(&case.accepted().await),
        ("user_1deJLArSTiWiF1YdsEWysnhJLLY", "client_1", "email profile", SubjectKind::User)
    );
    case.holds_to("client_id", json!("client_2")).await;
    let session = Case { header: json!({"typ": "JWT"}), ..case };
    assert!(refused(&ask(&session.verifier(), &session.token(&[])).await));
}

#[tokio::test]
async fn github_actions() {
    let case = Case {
        trusted: presets::github_actions("octo-org"),
        metadata: "https://token.actions.githubusercontent.com/.well-known/openid-configuration",
        jwks_uri: "https://token.actions.githubusercontent.com/.well-known/jwks",
        header: json!({"typ": "JWT", "x5t": "example-thumbprint"}),
        claims: json!({
            "jti": "example-id", "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "aud": RESOURCE, "ref": "refs/heads/main",
            "sha": "example-sha", "repository": "octo-org/octo-repo", "repository_owner": "octo-org", "actor_id": "12", "repository_visibility": "private",
            "run_id": "example-run-id", "actor": "octocat", "workflow": "example-workflow", "head_ref": "", "event_name": "workflow_dispatch",
            "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main", "runner_environment": "github-hosted",
        }),
    };
    let claims = case.accepted().await;
    assert_eq!(
        said(&claims),
        (
            "repo:octo-org/octo-repo:environment:prod",
            "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
            "",
            SubjectKind::Workload
        )
    );
    assert_eq!(claims.extra.unwrap()["repository"], "octo-org/octo-repo");
    // It knows of no scopes: those of one repository may be given some.
    let deploys = Case {
        trusted: case
            .trusted
            .clone()
            .with_claim("repository", ["octo-org/octo-repo"])
            .with_granted_scopes("mcp:tools"),
        ..case
    };
    assert_eq!(deploys.accepted().await.scopes.as_str(), "mcp:tools");
    deploys.holds_to("repository", json!("octo-org/other")).await;
    let case = deploys;
    // Everybody on GitHub gets tokens of this issuer.
    case.holds_to("repository_owner", json!("evil-org")).await;
    case.holds_to("aud", json!("https://github.com/octo-org")).await;
}
