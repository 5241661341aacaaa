//! Tools that want a fresh sign-in, or one of a certain kind (RFC 9470).

use std::sync::Arc;
use std::time::Duration;

use oauth_core::Timestamp;
use oauth_resource::{Authentication, ProtectedResource, ScopeRules};
use serde_json::json;

use crate::fixture::{Bench, ISSUER, NOW, RESOURCE, call, claims, method, rules};

const SECOND: Duration = Duration::from_secs(1);

fn bench(demand: &Authentication) -> Bench {
    let rules =
        rules().tool_authentication("add_note", demand.clone()).tool_authentication("wipe", demand.clone());
    let bench = Bench::with(|builder| builder.scopes(rules.tool("wipe", "admin")));
    let mut fresh = claims("root", "admin notes:delete");
    fresh.auth_time = Some(Timestamp::from_secs(NOW - 100));
    bench.tokens.put("fresh", fresh.clone());
    fresh.extra = Some(Arc::new([("acr".to_owned(), json!("phr"))].into_iter().collect()));
    bench.tokens.put("strong", fresh.clone());
    fresh.extra = Some(Arc::new([("acr".to_owned(), json!("pwd"))].into_iter().collect()));
    bench.tokens.put("weak", fresh);
    bench
}

#[tokio::test]
async fn an_old_sign_in_is_challenged_with_both_parameters() {
    // RS-30, RS-28, RS-29
    let bench = bench(&Authentication::within(300 * SECOND).by("phrh phr"));
    assert_eq!(bench.post("strong", &call("add_note")).await.status, 200);
    bench.clock.forward(201 * SECOND);
    let refused = bench.post("strong", &call("add_note")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.challenge(),
        "Bearer error=\"insufficient_user_authentication\", error_description=\"the user must sign in again\", \
         max_age=\"300\", acr_values=\"phrh phr\", scope=\"admin notes:delete notes:write\", \
         resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\""
    );
    assert_eq!(refused.json()["error"], "insufficient_user_authentication");
    assert_eq!(bench.inner.count(), 1);
}

#[tokio::test]
async fn a_token_that_does_not_show_it_is_not_believed() {
    // RS-30
    let bench = bench(&Authentication::within(300 * SECOND).by("phr"));
    for (token, status) in [("strong", 200), ("weak", 401), ("fresh", 401), ("admin", 401)] {
        assert_eq!(bench.post(token, &call("add_note")).await.status, status, "{token}");
        // Other tools ask for nothing of the kind.
        assert_eq!(bench.post(token, &call("move_note")).await.status, 200, "{token}");
    }
    // A stranger is told what a stranger is told, and who lacks the scope besides is told once of both.
    assert!(!bench.post("", &call("add_note")).await.challenge().contains("max_age"));
    let reader = bench.post("reader", &call("add_note")).await;
    assert_eq!(reader.status, 401);
    assert!(reader.challenge().contains("max_age=\"300\"") && reader.challenge().contains("notes:write"));
}

#[tokio::test]
async fn nothing_gets_past_the_demand_by_another_shape() {
    // RS-30, A-AUD-10, A-AUD-11, RS-83
    let bench = bench(&Authentication::within(50 * SECOND));
    let batch = format!("[{},{}]", method("tools/list"), call("add_note"));
    for (body, status) in [
        (call("add_note"), 401),
        (batch, 401),
        (call("unknown"), 401),
        (call("Add_note"), 401),
        ("{".to_owned(), 401),
        ("[]".to_owned(), 401),
        (method("x/unknown"), 401),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ["add_note"]}})
                .to_string(),
            401,
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///x"}})
                .to_string(),
            401,
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "unknown"}})
                .to_string(),
            401,
        ),
        (method("tools/list"), 200),
        (call("move_note"), 200),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "digest"}})
                .to_string(),
            200,
        ),
    ] {
        assert_eq!(bench.post("fresh", &body).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_sign_in_for_what_no_sign_in_opens() {
    // RS-30: `pwd` and `phr` exclude each other.
    let by = |class: &str| Authentication::default().by(class);
    let rules = rules()
        .tools_beginning("view_", "notes:read")
        .tool_authentication("add_note", by("phr"))
        .tool_authentication("list_notes", by("pwd"));
    let bench = Bench::with(|builder| builder.scopes(rules));
    for class in ["phr", "pwd"] {
        let mut claims = claims("root", "admin notes:delete");
        claims.extra = Some(Arc::new([("acr".to_owned(), json!(class))].into_iter().collect()));
        bench.tokens.put(class, claims);
    }
    for (token, tool, status) in [
        ("phr", "add_note", 200),
        ("pwd", "add_note", 401),
        ("pwd", "list_notes", 200),
        ("phr", "list_notes", 401),
    ] {
        assert_eq!(bench.post(token, &call(tool)).await.status, status, "{token} {tool}");
    }
    let both = format!("[{},{}]", call("add_note"), call("list_notes"));
    for body in [&both, &call("unknown"), "{", "[]"] {
        for token in ["phr", "pwd"] {
            let refused = bench.post(token, body).await;
            assert_eq!(refused.status, 403, "{token} {body}");
            assert!(!refused.headers.contains_key("www-authenticate"), "{token} {body}");
        }
        // Whoever is nobody yet is told where to sign in, as ever.
        assert_eq!(bench.post("", body).await.status, 401, "{body}");
    }
    // A rule for names that begin so is a rule.
    assert_eq!(bench.post("phr", &call("view_all")).await.status, 200);
}

#[test]
fn a_demand_that_asks_for_nothing_or_cannot_be_written_is_refused() {
    // RS-27
    for (demand, good) in [
        (Authentication::default(), false),
        (Authentication::default().by(""), false),
        (Authentication::default().by("a\"b"), false),
        (Authentication::default().by("a\u{e4}"), false),
        (Authentication::within(SECOND), true),
        (Authentication::within(SECOND / 2), false),
        (Authentication::default().by("urn:mace:incommon:iap:silver"), true),
    ] {
        let rules = ScopeRules::builder("a").tool("t", "b").tool_authentication("t", demand.clone());
        let built =
            ProtectedResource::builder(RESOURCE, ISSUER).scopes(rules).stores(&oauth_core::Stores::memory());
        assert_eq!(built.build().is_ok(), good, "{demand:?}");
    }
}
