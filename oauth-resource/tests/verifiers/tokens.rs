//! One token after the other: what is not exactly an access token of the issuer is refused.

use std::time::Duration;

use oauth_core::{Binding, Claims, SubjectKind, TokenVerifier as _, VerifyFault};
use oauth_resource::{JwtVerifier, RequiredClaim, TrustedIssuer};
use serde_json::{Value, json};

use crate::fixture::{
    KEY, NOW, RESOURCE, accepts, ask, claims, now, refused, sign, trusted, verifier, with, without,
};

#[tokio::test]
async fn the_leeway_ends_at_its_edge() {
    // RS-52
    for (trusted, leeway) in [
        (trusted(), 60),
        (trusted().with_leeway(Duration::from_secs(5)), 5),
        (trusted().with_leeway(Duration::from_secs(600)), 60),
    ] {
        let verifier = verifier(trusted);
        for (name, at, good) in [
            ("exp", NOW - leeway + 1, true),
            ("exp", NOW - leeway, false),
            ("exp", NOW - leeway - 1, false),
            ("nbf", NOW + leeway, true),
            ("nbf", NOW + leeway + 1, false),
            ("iat", NOW + leeway, true),
            ("iat", NOW + leeway + 1, false),
        ] {
            assert_eq!(accepts(&verifier, &with(name, at)).await, good, "{name} {at} leeway {leeway}");
        }
        let expired = verifier.verify(&sign(&with("exp", NOW - leeway)), now()).await;
        assert!(matches!(expired, Err(VerifyFault::Expired)));
    }
}

#[tokio::test]
async fn what_an_own_token_must_say_is_required_one_by_one() {
    // RS-53
    let strict = verifier(trusted());
    for name in ["sub", "client_id", "iat", "jti", "exp", "iss", "aud"] {
        assert!(!accepts(&strict, &without(name)).await, "{name}");
    }
    for (name, claim) in [
        ("client_id", RequiredClaim::ClientId),
        ("iat", RequiredClaim::IssuedAt),
        ("jti", RequiredClaim::TokenId),
    ] {
        let relaxed = verifier(trusted().without_required([claim]));
        assert!(accepts(&relaxed, &without(name)).await, "{name}");
    }
    assert!(accepts(&strict, &without("scope")).await, "a token without scopes is one");
}

#[tokio::test]
async fn an_issuer_is_named_letter_by_letter() {
    // RS-46, A-AUD-6
    let verifier = verifier(trusted());
    for other in
        ["https://as.example/", "https://AS.example", "http://as.example", "https://as.example.evil", ""]
    {
        assert!(!accepts(&verifier, &with("iss", other)).await, "{other}");
    }
}

#[tokio::test]
async fn a_token_says_who_stands_behind_it() {
    // RS-57
    let verifier = verifier(trusted());
    let user = ask(&verifier, &sign(&claims())).await.unwrap();
    assert_eq!(
        (user.subject.as_str(), user.client_id.as_str(), user.subject_kind),
        ("alice", "app", SubjectKind::User)
    );
    let client = ask(&verifier, &sign(&with("sub", "app"))).await.unwrap();
    assert_eq!(client.subject_kind, SubjectKind::Client);
}

#[tokio::test]
async fn a_confirmation_is_a_key_or_the_token_is_refused() {
    // DPOP-11
    let verifier = verifier(trusted());
    let jkt = KEY.public_jwk().thumbprint();
    let bound = ask(&verifier, &sign(&with("cnf", json!({"jkt": jkt.to_string()})))).await.unwrap();
    assert_eq!(bound.binding, Binding::Dpop(jkt));
    for cnf in [
        json!({}),
        json!(null),
        json!("x"),
        json!({"jkt": 1}),
        json!({"jkt": "short"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": jkt.to_string(), "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jwk": KEY.public_jwk().to_json()}),
    ] {
        assert!(!accepts(&verifier, &with("cnf", cnf.clone())).await, "{cnf}");
    }
}

#[tokio::test]
async fn what_an_issuer_is_trusted_with_is_added_to_what_its_tokens_say() {
    let granting = verifier(trusted().with_granted_scopes("mcp:tools notes:read"));
    let scopes = |answer: Result<Claims, VerifyFault>| answer.unwrap().scopes.as_str().to_owned();
    assert_eq!(
        scopes(ask(&granting, &sign(&with("scope", "notes:write"))).await),
        "mcp:tools notes:read notes:write"
    );
    assert_eq!(scopes(ask(&granting, &sign(&without("scope"))).await), "mcp:tools notes:read");
    assert!(refused(&ask(&granting, &sign(&with("aud", "https://other.example"))).await));
    let wrong = JwtVerifier::builder(RESOURCE)
        .issuer(trusted().with_granted_scopes("a\"b").with_default_client(""))
        .build()
        .unwrap_err();
    assert_eq!(wrong.iter().count(), 2, "{wrong}");
}

#[tokio::test]
async fn scopes_are_read_where_an_issuer_writes_them() {
    let scopes = async |trusted: TrustedIssuer, claims: Value| {
        ask(&verifier(trusted), &sign(&claims)).await.map(|claims| claims.scopes.as_str().to_owned()).ok()
    };
    assert_eq!(scopes(trusted(), with("scope", "b a b")).await.as_deref(), Some("a b"));
    // A-SCOPE-5: RFC 9068 has a string, and no issuer is taken for another kind unless that is said.
    assert_eq!(scopes(trusted(), with("scope", json!(["a", "b"]))).await, None);
    let arrays = || trusted().with_scope_claims(["scope"]);
    assert_eq!(scopes(arrays(), with("scope", json!(["a", "b"]))).await.as_deref(), Some("a b"));
    for bad in [json!(1), json!([1]), json!(["a b"]), json!("a\tb"), json!({"a": 1}), json!("\"")] {
        for trusted in [trusted(), arrays()] {
            assert_eq!(scopes(trusted, with("scope", bad.clone())).await, None, "{bad}");
        }
    }
    let mapped = trusted().with_scope_claims(["scp", "permissions"]).with_scope_prefix_removed("api/");
    let mut claims = with("scp", json!(["api/a", "b"]));
    claims["permissions"] = json!("api/c d");
    assert_eq!(scopes(mapped, claims).await.as_deref(), Some("a b c d"));
}
