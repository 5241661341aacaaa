//! For whom a token is: this resource, alone.

use serde_json::json;

use crate::fixture::{RESOURCE, accepts, ask, sign, trusted, verifier, with, without};

const OTHER: &str = "https://other.example/mcp";

#[tokio::test]
async fn a_aud_1_a_token_for_another_resource_opens_nothing_here() {
    // RS-47, RS-48
    let verifier = verifier(trusted());
    for (audience, good) in [
        (RESOURCE, true),
        ("HTTPS://MCP.example/mcp", true),
        ("https://mcp.example:443/mcp", true),
        (OTHER, false),
        ("https://mcp.example", false),
        ("https://mcp.example/mcp/", false),
        ("https://mcp.example/mcp/x", false),
        ("https://mcp.example/MCP", false),
        ("https://mcp.example.evil/mcp", false),
        ("app", false),
        ("", false),
    ] {
        assert_eq!(accepts(&verifier, &with("aud", audience)).await, good, "{audience}");
    }
}

#[tokio::test]
async fn a_aud_3_an_audience_is_a_text_or_a_list_of_texts() {
    // RS-47
    let verifier = verifier(trusted());
    let crowd: Vec<&str> = std::iter::repeat_n(RESOURCE, 10_000).collect();
    for audience in [
        json!(null),
        json!(1),
        json!({"aud": RESOURCE}),
        json!([]),
        json!([[RESOURCE]]),
        json!([RESOURCE, 1]),
        json!([RESOURCE, null]),
        json!(crowd),
    ] {
        assert!(!accepts(&verifier, &with("aud", audience.clone())).await, "{audience:.100}");
    }
    assert!(!accepts(&verifier, &without("aud")).await);
    assert!(accepts(&verifier, &with("aud", json!([RESOURCE]))).await);
}

#[tokio::test]
async fn a_token_for_several_is_good_only_beside_those_that_are_named() {
    // RS-49
    let both = with("aud", json!([RESOURCE, OTHER]));
    assert!(!accepts(&verifier(trusted()), &both).await);
    assert!(accepts(&verifier(trusted().with_further_audience(OTHER)), &both).await);
    assert!(accepts(&verifier(trusted().insecure_any_further_audience()), &both).await);
    // Beside this one, not in its place.
    let other = with("aud", OTHER);
    assert!(!accepts(&verifier(trusted().with_further_audience(OTHER)), &other).await);
    assert!(!accepts(&verifier(trusted().insecure_any_further_audience()), &other).await);
}

#[tokio::test]
async fn an_issuers_own_name_for_this_resource_counts_as_it() {
    let verifier = verifier(trusted().with_audience("api://notes"));
    let claims = ask(&verifier, &sign(&with("aud", "api://notes"))).await.unwrap();
    assert_eq!(claims.audience, [RESOURCE.into()]);
    assert!(!accepts(&verifier, &with("aud", "api://notes/x")).await);
    assert!(!accepts(&verifier, &with("aud", "API://notes")).await);
}

#[tokio::test]
async fn a_token_for_nobody_is_taken_only_where_that_is_said() {
    let verifier = verifier(trusted().insecure_without_audience().with_claim("client_id", ["app", "web"]));
    assert!(accepts(&verifier, &without("aud")).await);
    assert!(!accepts(&verifier, &with("aud", OTHER)).await);
    let mut stranger = without("aud");
    stranger["client_id"] = "stranger".into();
    assert!(!accepts(&verifier, &stranger).await);
}
