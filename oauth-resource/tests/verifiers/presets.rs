//! Tokens as other people's issuers write them, found and verified by what those publish (see [`recorded`](crate::recorded)), signed by keys
//! of ours.

use oauth_core::fetch::{FetchError, Fetched};
use oauth_core::{Claims, SubjectKind, TokenVerifier as _, VerifyFault};
use oauth_resource::presets;
use serde_json::{Value, json};

use crate::fixture::{RESOURCE, refused, unavailable};
use crate::recorded::SECOND;
use crate::recorded::issuers::{
    APPLICATION, COGNITO_CLIENT, STYTCH_PROJECT, all, of_auth0, of_auth0_custom_domain, of_clerk,
    of_clerk_for_resource, of_cognito, of_entra, of_github_actions, of_google, of_keycloak, of_okta,
    of_stytch, of_supabase, of_workos,
};

fn said(claims: &Claims) -> (&str, &str, &str, SubjectKind) {
    (claims.subject.as_str(), claims.client_id.as_str(), claims.scopes.as_str(), claims.subject_kind)
}

#[tokio::test]
async fn each_is_found_where_it_publishes() {
    // RS-60, RS-61
    for issuer in all() {
        let name = issuer.trusted.issuer().to_owned();
        let fetch = issuer.served();
        let verifier = issuer.verifier(&fetch);
        let claims = verifier.verify(&issuer.token("access", &[]), issuer.now()).await.unwrap();
        assert_eq!((&*claims.issuer, &*claims.audience[0]), (&*name, RESOURCE));
        let asked: Vec<String> = fetch.requests().into_iter().map(|request| request.url).collect();
        assert_eq!(asked.last().map(String::as_str), Some(issuer.jwks_uri()), "{asked:?}");
        assert!(issuer.documents().contains_key(&asked[asked.len() - 2]), "{asked:?}");
        // Nothing is asked for a second time.
        assert!(verifier.verify(&issuer.token("access", &[]), issuer.now()).await.is_ok());
        assert_eq!(fetch.requests().len(), asked.len());
        // A document that is another's, though at that address, vouches for nobody.
        for (url, document) in issuer.documents() {
            let mut other = document.clone();
            other["issuer"] = "https://other.example".into();
            fetch.set(url, Fetched::json(other.to_string()));
        }
        let answer = issuer.verifier(&fetch).verify(&issuer.token("access", &[]), issuer.now()).await;
        assert!(unavailable(&answer), "{name}: {answer:?}");
        // Nor does silence.
        fetch.set_error(issuer.jwks_uri(), FetchError::Busy);
        let answer = issuer.verifier(&fetch).verify(&issuer.token("access", &[]), issuer.now()).await;
        assert!(unavailable(&answer), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn none_takes_what_is_anothers_or_over() {
    // RS-43, RS-44, RS-46
    for issuer in all() {
        let verifier = issuer.verifier(&issuer.served());
        let ours = issuer.token("access", &[]);
        assert!(verifier.verify(&ours, issuer.now()).await.is_ok());
        let lasts = issuer.claims("access")["exp"].as_u64().unwrap();
        let later = oauth_core::Timestamp::from_secs(lasts + 61);
        assert!(matches!(verifier.verify(&ours, later).await, Err(VerifyFault::Expired)), "{verifier:?}");
        let forged = oauth_core::jose::SigningKey::generate_rs256();
        let answer = verifier.verify(&issuer.signed_by(&forged, "access", &[]), issuer.now()).await;
        assert!(refused(&answer), "{verifier:?}: {answer:?}");
        let (head, tail) = ours.rsplit_once('.').unwrap();
        let cut = format!("{head}.{}", &tail[4..]);
        assert!(refused(&verifier.verify(&cut, issuer.now()).await));
        let name = issuer.trusted.issuer();
        for other in [format!("{name}x"), format!("{name}/"), name.replace("https://", "http://")] {
            issuer.holds_to("iss", json!(other)).await;
        }
        issuer.holds_to("aud", json!("https://other.example/mcp")).await;
        issuer.holds_to("aud", json!([RESOURCE, "https://other.example/mcp"])).await;
        for required in ["iss", "sub", "exp"] {
            issuer.holds_to(required, Value::Null).await;
        }
    }
}

#[tokio::test]
async fn auth0() {
    let issuer = of_auth0();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "my_client_id", "notes:read openid profile", SubjectKind::User)
    );
    issuer.holds_to("aud", json!("https://tenant.eu.auth0.com/userinfo")).await;
    issuer.holds_to("aud", Value::Null).await;
    issuer.holds_to("azp", Value::Null).await;
    issuer.holds_to("iss", json!("https://tenant.eu.auth0.com")).await;
    issuer.holds_to("iss", json!("https://other.eu.auth0.com/")).await;
    issuer.refuses("id", &[]).await;
    // What a client may do by itself counts; what a user may do does not widen what was consented to.
    let machine = issuer.accepts("machine", &[]).await;
    assert_eq!(
        said(&machine),
        ("my_client_id@clients", "my_client_id", "notes:read notes:write", SubjectKind::Client)
    );
    // Its profile of RFC 9068 says it by the subject alone, and nobody is called like the machine of another client (RS-57).
    for (subject, kind) in
        [("my_client_id@clients", SubjectKind::Client), ("another@clients", SubjectKind::User)]
    {
        let claims = issuer.accepts("profile", &[("sub", json!(subject))]).await;
        assert_eq!((claims.subject_kind, claims.client_id.as_str()), (kind, "my_client_id"), "{subject}");
    }
}

#[tokio::test]
async fn auth0_at_a_custom_domain() {
    let (api, userinfo) = ("https://notes.example/api", "https://tenant.eu.auth0.com/userinfo");
    let issuer = of_auth0_custom_domain();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        (
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "my_client_id",
            "notes:read offline_access openid profile",
            SubjectKind::User
        )
    );
    assert_eq!(claims.audience, [RESOURCE.into(), userinfo.into()]);
    // The tenant's own beside the API, to the letter, and not in its place (RS-49).
    for other in [
        "https://other.eu.auth0.com/userinfo",
        "https://login.example.com/userinfo",
        "https://tenant.eu.auth0.com/api/v2/",
        "https://x.tenant.eu.auth0.com/userinfo",
        "https://tenant.eu.auth0.com.example/userinfo",
    ] {
        issuer.holds_to("aud", json!([api, other])).await;
        issuer.holds_to("aud", json!([api, userinfo, other])).await;
    }
    issuer.holds_to("aud", json!(userinfo)).await;
    // What was asked for at the tenant's own domain is of another issuer.
    issuer.holds_to("iss", json!("https://tenant.eu.auth0.com/")).await;
    // Who does not name the tenant gets as far as tokens without `openid`.
    let unnamed = issuer.trusting(presets::auth0("login.example.com", api));
    unnamed.refuses("access", &[]).await;
    assert!(unnamed.ask("access", &[("aud", json!(api))]).await.is_ok());
}

#[tokio::test]
async fn okta() {
    let issuer = of_okta();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        ("john.doe@example.com", "0oabz0ozy5dDpEKyA0h7", "notes:read openid", SubjectKind::User)
    );
    let extra = claims.extra.unwrap();
    assert_eq!((&extra["uid"], &extra["groups"]), (&json!("00uid4BxXw6I6TV4m0g3"), &json!(["Everyone"])));
    issuer.refuses("id", &[]).await;
    // Nor if the API were named as a client is.
    issuer.refuses("id", &[("aud", json!("api://default"))]).await;
    issuer.holds_to("aud", json!("0oabz0ozy5dDpEKyA0h7")).await;
    issuer.holds_to("cid", json!(1)).await;
    issuer.holds_to("cid", Value::Null).await;
    // Another server of the same organisation, and the organisation's own.
    issuer.holds_to("iss", json!("https://dev-1.okta.com/oauth2/aus1")).await;
    issuer.holds_to("iss", json!("https://dev-1.okta.com")).await;
    let service = issuer.accepts("service", &[]).await;
    assert_eq!((service.subject_kind, service.scopes.as_str()), (SubjectKind::Client, "notes:read"));
}

#[tokio::test]
async fn entra() {
    let issuer = of_entra();
    let claims = issuer.accepts("access", &[]).await;
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
    assert!(issuer.ask("access", &[("aud", json!(format!("api://{APPLICATION}")))]).await.is_ok());
    issuer.holds_to("tid", json!("72f988bf-86f1-41af-91ab-2d7cd011db47")).await;
    let other = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    issuer.holds_to("iss", json!(other)).await;
    issuer.holds_to("ver", json!("1.0")).await;
    // Microsoft Graph's.
    issuer.holds_to("aud", json!("00000003-0000-0000-c000-000000000000")).await;
    issuer.refuses("version_1", &[]).await;
    // For a front end with the API's own ID, it names just that audience.
    issuer.refuses("id", &[]).await;
    // An application's own, where the API did not ask for `idtyp`: without scopes, and the subject is the object.
    let own = issuer.accepts("application", &[]).await;
    assert_eq!((own.scopes.as_str(), own.subject_kind), ("Notes.All", SubjectKind::Client));
    let of_user = [("oid", json!("690222be-ff1a-4d56-abd1-7e4f7d38e474"))];
    let other = issuer.accepts("application", &of_user).await;
    assert_eq!((other.scopes.as_str(), other.subject_kind), ("", SubjectKind::User));
    let marked = [of_user[0].clone(), ("idtyp", json!("app"))];
    assert_eq!(issuer.accepts("application", &marked).await.subject_kind, SubjectKind::Client);
    // A user's roles say what the user may do.
    let user = issuer.accepts("access", &[("roles", json!(["Notes.All"]))]).await;
    assert_eq!(user.scopes.as_str(), "Notes.Read Notes.Write");
    // RS-19, RS-22: a challenge names what Entra can be asked for.
    let application = format!("api://{APPLICATION}/");
    let full = issuer.trusting(issuer.trusted.clone().with_scope_prefix_added(&application));
    let expected = format!("{application}Notes.Read {application}Notes.Write").parse().unwrap();
    assert_eq!(full.accepts("access", &[]).await.scopes, expected);
}

#[tokio::test]
async fn google() {
    let issuer = of_google();
    let claims = issuer.accepts("access", &[]).await;
    let client = "1234.apps.googleusercontent.com";
    assert_eq!(said(&claims), ("107691503500061507151", client, "", SubjectKind::User));
    let extra = claims.extra.unwrap();
    assert_eq!((&extra["email_verified"], &extra["hd"]), (&json!(true), &json!("example.com")));
    issuer.holds_to("aud", json!("other.apps.googleusercontent.com")).await;
    // As its oldest libraries have it.
    issuer.holds_to("iss", json!("accounts.google.com")).await;
    let service = issuer.accepts("service", &[]).await;
    assert_eq!(
        (service.client_id.as_str(), service.subject_kind),
        ("113774264463038321964", SubjectKind::Client)
    );
    // Access tokens are none of these: whoever stands beside in an `AnyOf` may know them.
    let access = "ya29.a0AfB_byC5eTJf6WvZ0Vd1e2f3g4h5i6j7k8l9m0n";
    let answer = issuer.verifier(&issuer.served()).verify(access, issuer.now()).await;
    assert!(matches!(answer, Err(VerifyFault::Unrecognized)), "{answer:?}");
}

#[tokio::test]
async fn keycloak() {
    let issuer = of_keycloak();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        ("f1888f4d-5172-4359-be0c-af338505d86c", "mcp-client", "notes:read openid", SubjectKind::User)
    );
    let extra = claims.extra.unwrap();
    assert_eq!((&extra["acr"], &extra["realm_access"]["roles"][0]), (&json!("1"), &json!("offline_access")));
    let service = issuer.accepts("service", &[]).await;
    assert_eq!((service.subject_kind, service.scopes.as_str()), (SubjectKind::Client, "notes:read"));
    // RS-57
    for (name, session, kind) in [
        ("service-account-MCP-client", Value::Null, SubjectKind::Client),
        ("service-account-other", Value::Null, SubjectKind::User),
        ("mcp-client", Value::Null, SubjectKind::User),
        // Somebody who took that name, and signed in.
        ("service-account-mcp-client", json!("c1"), SubjectKind::User),
    ] {
        let token = [("preferred_username", json!(name)), ("sid", session)];
        assert_eq!(issuer.accepts("access", &token).await.subject_kind, kind, "{name}");
    }
    // Without the scope `service_account` it is the grant alone that tells, by the token's ID.
    assert_eq!(
        said(&issuer.accepts("service_bare", &[]).await),
        ("447989f5-9e75-459b-a77e-75cb515c85b3", "mcp-client", "notes:read", SubjectKind::Client)
    );
    for (id, session, kind) in [
        ("trltcc:447989f5", Value::Null, SubjectKind::Client),
        ("onrtcc:447989f5", json!("c1"), SubjectKind::Client),
        ("trrtte:447989f5", Value::Null, SubjectKind::User),
        ("trrtro:447989f5", Value::Null, SubjectKind::User),
        ("trrtCC:447989f5", Value::Null, SubjectKind::User),
        ("trrtro:trrtcc:4", Value::Null, SubjectKind::User),
        ("trrtcc", Value::Null, SubjectKind::User),
        ("cc:447989f5", Value::Null, SubjectKind::User),
        // Of versions that wrote no kinds there.
        ("447989f5-9e75-459b-a77e-75cb515c85cc", Value::Null, SubjectKind::User),
    ] {
        let token = [("jti", json!(id)), ("sid", session)];
        assert_eq!(issuer.accepts("service_bare", &token).await.subject_kind, kind, "{id}");
    }
    let minimal = issuer.accepts("minimal", &[]).await;
    assert_eq!(
        said(&minimal),
        (
            "33ed6c6b-c6e0-4928-a161-f2f69c7a03b9",
            "7975a5b6-8b59-4a85-9cba-8faebdab8974",
            "notes:read",
            SubjectKind::User
        )
    );
    // The scope `roles` names each client in whose roles the user has a part (RS-49).
    let named = json!([RESOURCE, "account", "svc-onboarding"]);
    issuer.holds_to("aud", named.clone()).await;
    let beside = issuer.trusting(issuer.trusted.clone().with_further_audience("svc-onboarding"));
    assert!(beside.ask("access", &[("aud", named)]).await.is_ok());
    issuer.refuses("id", &[]).await;
    issuer.refuses("id", &[("aud", json!(RESOURCE))]).await;
    for typ in ["ID", "Refresh", "Offline", "Logout"] {
        issuer.holds_to("typ", json!(typ)).await;
    }
    issuer.holds_to("typ", Value::Null).await;
    issuer.holds_to("aud", json!("account")).await;
    issuer.holds_to("iss", json!("https://id.example/realms/customers")).await;
    // The second key of the set is for encryption (RS-68).
    let verifier = issuer.verifier(&issuer.served());
    let answer = verifier.verify(&issuer.signed_by(&SECOND, "access", &[]), issuer.now()).await;
    assert!(refused(&answer), "{answer:?}");
    assert_eq!((verifier.health(issuer.now())[0].keys, verifier.health(issuer.now())[0].skipped), (1, 1));
}

#[tokio::test]
async fn cognito() {
    let issuer = of_cognito();
    let user = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(said(&claims), (user, COGNITO_CLIENT, "notes-api/read openid", SubjectKind::User));
    assert_eq!(claims.extra.unwrap()["cognito:groups"], json!(["testgroup"]));
    let short = issuer.trusting(issuer.trusted.clone().with_scope_prefix_removed("notes-api/"));
    assert_eq!(short.accepts("access", &[]).await.scopes.as_str(), "openid read");
    assert_eq!(issuer.accepts("machine", &[]).await.subject_kind, SubjectKind::Client);
    issuer.holds_to("client_id", json!("7lhlkkfbfb4q5kpp90urffao")).await;
    issuer.holds_to("token_use", json!("id")).await;
    issuer.holds_to("token_use", Value::Null).await;
    issuer.refuses("id", &[]).await;
    // Not even if it named the client as access tokens do.
    issuer.refuses("id", &[("client_id", json!(COGNITO_CLIENT)), ("aud", Value::Null)]).await;
    issuer.holds_to("iss", json!("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other")).await;
    // A client that named the resource gets a token that does (RFC 8707): for this one or for none here.
    assert!(issuer.ask("access", &[("aud", json!(RESOURCE))]).await.is_ok());
    issuer.holds_to("aud", json!(COGNITO_CLIENT)).await;
}

#[tokio::test]
async fn workos() {
    let issuer = of_workos();
    let (user, client) = ("user_01HBEQKA6K4QJAS93VPE39W1JT", "client_01JZM53FW3WYV08AFC4QWQ3BNB");
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(said(&claims), (user, client, "notes:read openid", SubjectKind::User));
    assert_eq!(claims.extra.unwrap()["org_id"], "org_01HRDMC6CM357W30QMHMQ96Q0S");
    // Without resource indicators a token names the environment, one of a machine does in any case: good where that is said.
    let environment = "client_01HXENV0000000000000000000";
    let named = issuer.trusting(issuer.trusted.clone().with_audience(environment));
    let of_client = issuer.trusting(issuer.trusted.clone().with_audience(client));
    for (token, expected) in [
        ("environment", (user, client, "openid profile", SubjectKind::User)),
        ("machine", (client, client, "notes:read", SubjectKind::Client)),
        // Of a form without client and scopes.
        ("unbound", (user, "unknown", "", SubjectKind::User)),
    ] {
        assert_eq!(said(&named.accepts(token, &[]).await), expected, "{token}");
        issuer.refuses(token, &[]).await;
        of_client.refuses(token, &[]).await;
    }
    assert!(named.ask("access", &[]).await.is_ok());
    // Sessions of its user management are of another issuer, and name nobody.
    issuer.refuses("session", &[]).await;
    for other in [issuer.trusted.issuer(), "https://api.workos.com"] {
        issuer.refuses("session", &[("iss", json!(other))]).await;
        named.refuses("session", &[("iss", json!(other))]).await;
    }
    // What a user may do is no scope that the user gave to a client; what a client may do by itself is.
    let permissions = ("permissions", json!(["notes:write"]));
    let of_user = issuer.accepts("access", std::slice::from_ref(&permissions)).await;
    assert_eq!(said(&of_user), (user, client, "notes:read openid", SubjectKind::User));
    let own = issuer.accepts("access", &[permissions, ("sub", json!(client))]).await;
    assert_eq!(said(&own), (client, client, "notes:read notes:write openid", SubjectKind::Client));
}

#[tokio::test]
async fn stytch() {
    let issuer = of_stytch();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        (
            "user-test-16d9ba61-97a1-4ba4-9720-b03761dc50c6",
            "connected-app-test-d731954d-dab3-4a2b-bdee-07f3ad1be885",
            "email notes:read openid",
            SubjectKind::User
        )
    );
    issuer.refuses("id", &[]).await;
    issuer.refuses("session", &[]).await;
    // It names no client, whatever else it has.
    issuer.refuses("session", &[("jti", json!("j"))]).await;
    issuer.holds_to("aud", json!(["project-live-3d69a0a4-5b0f-4a4c-9a37-d0d0f6b1a8c1"])).await;
    issuer.holds_to("iss", json!(format!("stytch.com/{STYTCH_PROJECT}"))).await;
}

#[tokio::test]
async fn supabase() {
    let issuer = of_supabase();
    let (user, client) = ("2f1c7d1a-0000-4000-8000-000000000000", "9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d");
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(said(&claims), (user, client, "", SubjectKind::User));
    assert_eq!(claims.extra.unwrap()["aal"], "aal1");
    issuer.refuses("id", &[]).await;
    // Of the project's own front end.
    issuer.refuses("session", &[]).await;
    issuer.holds_to("role", json!("anon")).await;
    issuer.holds_to("role", json!("service_role")).await;
    issuer.holds_to("aud", json!("anon")).await;
    issuer.holds_to("iss", json!("https://mnopqrstuvwx.supabase.co/auth/v1")).await;
    let narrow = issuer.trusting(issuer.trusted.clone().with_claim("client_id", ["another"]));
    narrow.refuses("access", &[]).await;
    // It knows of no scopes: whoever's tokens are good may be given some.
    let rules = issuer.trusted.clone().with_claim("client_id", [client]);
    let granted = issuer.trusting(rules.with_granted_scopes("notes:read"));
    assert_eq!(said(&granted.accepts("access", &[]).await), (user, client, "notes:read", SubjectKind::User));
    granted.holds_to("client_id", json!("another")).await;
}

#[tokio::test]
async fn clerk() {
    let issuer = of_clerk();
    let (user, client) = ("user_1deJLArSTiWiF1YdsEWysnhJLLY", "aBcDeFgHiJkLmNoP");
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(said(&claims), (user, client, "email profile", SubjectKind::User));
    let listed = [("scope", Value::Null), ("scp", json!(["email", "profile"]))];
    assert_eq!(issuer.accepts("access", &listed).await.scopes.as_str(), "email profile");
    issuer.holds_to("client_id", json!("another")).await;
    issuer.holds_to("client_id", Value::Null).await;
    for other in ["session", "id"] {
        issuer.refuses(other, &[]).await;
        // The type tells them apart, whatever is in them.
        issuer.refuses(other, &[("client_id", json!(client)), ("aud", Value::Null)]).await;
    }
    // A client that named the resource gets a token that does (RFC 8707): for this one or for none here.
    assert!(issuer.ask("access", &[("aud", json!(RESOURCE))]).await.is_ok());
    issuer.holds_to("aud", json!(client)).await;
    issuer.refuses("bound", &[]).await;
}

#[tokio::test]
async fn clerk_for_a_client_that_registered_itself() {
    let issuer = of_clerk_for_resource();
    let claims = issuer.accepts("bound", &[]).await;
    let (user, client) = ("user_1deJLArSTiWiF1YdsEWysnhJLLY", "dGd3hVEbAbMZNBbK");
    assert_eq!(said(&claims), (user, client, "email offline_access profile", SubjectKind::User));
    assert!(issuer.ask("bound", &[("aud", json!(RESOURCE))]).await.is_ok());
    // Any client, so that the audience is all that is checked.
    issuer.refuses("access", &[]).await;
    for audience in [
        Value::Null,
        json!([]),
        json!(client),
        json!("https://other.example/mcp"),
        json!([RESOURCE, "https://other.example/mcp"]),
    ] {
        issuer.refuses("bound", &[("aud", audience)]).await;
    }
    issuer.refuses("bound", &[("client_id", Value::Null)]).await;
    for other in ["session", "id"] {
        issuer.refuses(other, &[]).await;
        issuer.refuses(other, &[("client_id", json!(client)), ("aud", json!(RESOURCE))]).await;
    }
}

#[tokio::test]
async fn github_actions() {
    let issuer = of_github_actions();
    let claims = issuer.accepts("access", &[]).await;
    assert_eq!(
        said(&claims),
        (
            "repo:octo-org/octo-repo:environment:prod",
            "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
            "",
            SubjectKind::Workload
        )
    );
    let extra = claims.extra.unwrap();
    assert_eq!(
        (&extra["repository"], &extra["ref"]),
        (&json!("octo-org/octo-repo"), &json!("refs/heads/main"))
    );
    // In newer repositories the subject has the numbers as well.
    let immutable = issuer.accepts("immutable", &[]).await;
    assert_eq!(immutable.subject.as_str(), "repo:octo-org@65/octo-repo@74:environment:prod");
    assert_eq!((immutable.subject_kind, immutable.client_id), (SubjectKind::Workload, claims.client_id));
    // Whoever took the name of an owner that is gone has another number.
    let numbered = issuer.trusting(issuer.trusted.clone().with_claim("repository_owner_id", ["65"]));
    assert!(numbered.ask("immutable", &[]).await.is_ok());
    numbered.holds_to("repository_owner_id", json!("66")).await;
    numbered.holds_to("repository_owner_id", Value::Null).await;
    numbered.holds_to("repository_owner", json!("evil-org")).await;
    // Everybody on GitHub gets tokens of this issuer.
    issuer.holds_to("repository_owner", json!("evil-org")).await;
    issuer.holds_to("repository_owner", Value::Null).await;
    // A workflow that did not say for whom it asks.
    issuer.refuses("default_audience", &[]).await;
    // It knows of no scopes: those of one repository may be given some.
    let rules = issuer.trusted.clone().with_claim("repository", ["octo-org/octo-repo"]);
    let deploys = issuer.trusting(rules.with_granted_scopes("mcp:tools"));
    assert_eq!(deploys.accepts("access", &[]).await.scopes.as_str(), "mcp:tools");
    deploys.holds_to("repository", json!("octo-org/other")).await;
    deploys.holds_to("repository_owner", json!("evil-org")).await;
    let main = issuer.trusting(issuer.trusted.clone().with_claim("ref", ["refs/heads/main"]));
    main.holds_to("ref", json!("refs/pull/7/merge")).await;
}
