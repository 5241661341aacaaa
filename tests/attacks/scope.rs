//! SCOPE: what was granted, letter for letter, and T8: what the body asks for, whatever the headers say.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use oauth_core::{Clock as _, Revocation};
use oauth_testing::{Callback, Site, Tokens};
use serde_json::json;

use crate::host::{CALLBACK, Host, agree, ask, assert_refused, consent_page, redeem, refresh, url, visit};

/// What comes of an authorization request with this scope, by somebody who agrees to all of it.
async fn granted(host: &Host, client: &str, redirect_uri: &str, scope: &str) -> Result<String, String> {
    let request = ask(client, redirect_uri).set("scope", scope);
    let mut browser = host.browser();
    let page = browser.get(request.url().as_str()).await.unwrap();
    if let Some(location) = page.location().filter(|location| location.host_str() != Some("mcp.example")) {
        return Err(Callback::read(&location).error().unwrap().to_owned());
    }
    let callback = agree(&mut browser, &request, "alice").await;
    let request = redeem(client, callback.code().unwrap()).set("redirect_uri", redirect_uri);
    let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
    Ok(tokens.scope.unwrap_or_default())
}

#[tokio::test]
async fn a_scope_1_unknown_and_huge() {
    let host = Host::start().await;
    let many: Vec<String> = (0..5000).map(|at| format!("s{at}")).collect();
    let many = many.join(" ");
    for (scope, wanted) in [
        ("*", Err("invalid_scope")),
        ("admin", Err("invalid_scope")),
        ("openid admin", Err("invalid_scope")),
        ("openid admin notes:read", Ok("notes:read")),
        ("* notes:write", Ok("notes:write")),
        ("notes:* notes:read", Ok("notes:read")),
        ("offline_access", Ok("notes:read notes:write")),
    ] {
        let got = granted(&host, "app", CALLBACK, scope).await;
        assert_eq!(got.as_deref().map_err(String::as_str), wanted, "{scope}");
    }
    for scope in [many.clone(), format!("notes:read {}", "x".repeat(9000))] {
        let page = visit(&host, &ask("app", CALLBACK).set("scope", &scope)).await;
        assert!(page.status == StatusCode::BAD_REQUEST || page.location().is_some(), "{}", page.text());
        assert!(page.form_with_field("name").is_err());
        let tokens = host.tokens().await;
        let request = refresh("app", tokens.refresh_token.as_deref().unwrap()).set("scope", &scope);
        assert_eq!(host.client().send(&request).await.unwrap().status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_scope_2_only_a_space_parts_scopes() {
    let host = Host::start().await;
    for scope in [
        "notes:read,notes:write",
        "notes:read;notes:write",
        "notes:read+notes:write",
        "notes:read|notes:write",
        "\"notes:read\"",
        "[\"notes:read\"]",
    ] {
        assert_eq!(granted(&host, "app", CALLBACK, scope).await.unwrap_err(), "invalid_scope", "{scope}");
    }
    for scope in [
        "notes:read\tnotes:write",
        "notes:read\nnotes:write",
        "notes:read\r\n",
        "notes:read\u{a0}notes:write",
        "notes:read\u{2003}notes:write",
    ] {
        assert_eq!(granted(&host, "app", CALLBACK, scope).await.unwrap_err(), "invalid_scope", "{scope:?}");
        let tokens = host.tokens().await;
        let request = refresh("app", tokens.refresh_token.as_deref().unwrap()).set("scope", scope);
        assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_scope");
    }
    // Said twice, or with spaces around, it is the same.
    for scope in ["notes:read notes:read", " notes:read", "notes:read  ", "notes:read  notes:read"] {
        match granted(&host, "app", CALLBACK, scope).await {
            Ok(got) => assert_eq!(got, "notes:read", "{scope:?}"),
            Err(error) => assert_eq!(error, "invalid_scope", "{scope:?}"),
        }
    }
}

#[tokio::test]
async fn a_scope_3_no_more_than_the_client_may() {
    let host = Host::start().await;
    let redirect_uri = "https://reader.example/cb";
    let page = consent_page(&mut host.browser(), &ask("reader", redirect_uri), "alice").await;
    assert!(page.text().contains("notes:read") && !page.text().contains("notes:write"), "{}", page.text());
    assert_eq!(
        granted(&host, "reader", redirect_uri, "notes:read notes:write").await.as_deref(),
        Ok("notes:read")
    );
    assert_eq!(granted(&host, "reader", redirect_uri, "notes:write").await.unwrap_err(), "invalid_scope");
}

#[tokio::test]
async fn a_scope_4_no_hierarchy_by_spelling() {
    let host = Host::start().await;
    for scope in [
        "notes",
        "notes:",
        "notes:rea",
        "notes:read:all",
        "notes:readwrite",
        "NOTES:READ",
        "Notes:Read",
        "notes.read",
    ] {
        assert_eq!(granted(&host, "app", CALLBACK, scope).await.unwrap_err(), "invalid_scope", "{scope}");
    }
    // At the resource: to read is not to write, nor the other way round.
    let read = tokens(&host, "notes:read").await;
    assert_eq!(call(&host, &read, "add_note").await, StatusCode::FORBIDDEN);
    let write = tokens(&host, "notes:write").await;
    assert_eq!(call(&host, &write, "delete_note").await, StatusCode::FORBIDDEN);
    // Tools by their very names; what nobody has mapped is not for everybody (A-AUD-11).
    for name in ["delete_note", "Delete_Note", "delete_note ", "ｄelete_note", "unmapped"] {
        assert_ne!(call(&host, &read, name).await, StatusCode::OK, "{name}");
    }
    assert!(host.calls().is_empty());
}

async fn tokens(host: &Host, scope: &str) -> Tokens {
    let callback = agree(&mut host.browser(), &ask("app", CALLBACK).set("scope", scope), "alice").await;
    host.client().send(&redeem("app", callback.code().unwrap())).await.unwrap().tokens().unwrap()
}

async fn call(host: &Host, tokens: &Tokens, tool: &str) -> StatusCode {
    host.client().mcp().call_tool(Some(&tokens.access_token), tool, json!({})).await.unwrap().http.status
}

/// Tokens here carry no claims that somebody could write: what looks like one with scopes of every type opens nothing.
#[tokio::test]
async fn a_scope_5_scopes_in_the_token_itself() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let host = Host::start().await;
    for scope in [
        json!("notes:read notes:delete"),
        json!(["notes:read", "notes:delete"]),
        json!({ "notes:delete": true }),
    ] {
        let claims = json!({ "iss": Site::ORIGIN, "aud": Site::MCP, "sub": "alice", "exp": 9_999_999_999_u64, "scope": scope, "scp": scope });
        let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let token = format!("{}.{}.", part(&json!({ "alg": "none", "typ": "at+jwt" })), part(&claims));
        assert!(!host.lets_in(&token).await);
    }
    // And what is told of one is a text (RFC 7662 §2.2).
    let tokens = tokens(&host, "notes:read notes:write").await;
    let request = oauth_testing::TokenRequest::new(host.url("/introspect"))
        .set("token", &tokens.access_token)
        .header(AUTHORIZATION, format!("Bearer {}", Site::RESOURCE_SECRET).parse().unwrap());
    let answer = host.client().send(&request).await.unwrap();
    assert_eq!(answer.json["scope"], "notes:read notes:write");
}

#[tokio::test]
async fn a_scope_6_a_step_up_that_leads_nowhere() {
    // The resource asks for a scope that this server never grants to this client.
    let host = Host::start().await;
    let redirect_uri = "https://reader.example/cb";
    let mut browser = host.browser();
    let mut challenges = Vec::new();
    for _ in 0..3 {
        let request = ask("reader", redirect_uri).set("scope", "notes:read notes:write");
        let callback = agree(&mut browser, &request, "alice").await;
        let request = redeem("reader", callback.code().unwrap()).set("redirect_uri", redirect_uri);
        let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
        assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
        let answer =
            host.client().mcp().call_tool(Some(&tokens.access_token), "add_note", json!({})).await.unwrap();
        assert_eq!(answer.http.status, StatusCode::FORBIDDEN);
        challenges.push(answer.http.headers["www-authenticate"].clone());
    }
    // The same answer each time, by which a client can tell; and after the first time nobody is asked again.
    assert!(challenges.windows(2).all(|pair| pair[0] == pair[1]), "{challenges:?}");
    let asked = browser.history().iter().filter(|step| step.url.path() == "/authorize/consent").count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_scope_7_nothing_outlives_a_revocation() {
    let host = Host::start().await;
    let tokens = tokens(&host, "notes:read").await;
    assert!(host.lets_in(&tokens.access_token).await);
    let grants = &host.stores().grants;
    let key = oauth_core::CredentialKey::of(&tokens.access_token).unwrap();
    let subject = grants.grant(&key.grant).await.unwrap().unwrap().subject;
    grants.revoke(Revocation::Subject(&subject), host.clock().now()).await.unwrap();
    // In another process what was verified before is believed for a while, and not for longer than a token lives.
    let mut seconds = 0;
    while host.lets_in(&tokens.access_token).await {
        host.forward(5);
        seconds += 5;
        assert!(seconds <= 60, "still in after {seconds} s");
    }
    assert_refused(
        &host.client().send(&refresh("app", tokens.refresh_token.as_deref().unwrap())).await.unwrap(),
        400,
        "invalid_grant",
    );
}

/// T8: the header names a tool that the token is good for, the body another.
#[tokio::test]
async fn t8_header_and_body_that_differ() {
    let host = Host::start().await;
    let tokens = tokens(&host, "notes:read").await;
    let message = |name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name},"arguments":{{}}}}}}"#
        )
    };
    let bodies = [
        message(r#""delete_note""#),
        message(r#""list_notes","name":"delete_note""#),
        message(r#""delete_note","name":"list_notes""#),
        message(r#""list_notes","n\u0061me":"delete_note""#),
        message(r#"["delete_note"]"#),
        message(r#"{"$serde_json::private::RawValue":"\"delete_note\""}"#),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete_note"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_notes"},"params":{"name":"delete_note"}}"#.to_owned(),
        format!("[{},{}]", message(r#""list_notes""#), message(r#""delete_note""#)),
        format!("\u{feff}{}", message(r#""delete_note""#)),
        format!("{}{}", message(r#""list_notes""#), message(r#""delete_note""#)),
        // As UTF-16, which some parsers take for JSON.
        message(r#""delete_note""#).chars().flat_map(|char| [char, '\0']).collect(),
    ];
    for body in bodies {
        for named in [true, false] {
            let mut request = Request::post(url("/mcp"))
                .header(AUTHORIZATION, format!("Bearer {}", tokens.access_token))
                .header(CONTENT_TYPE, "application/json")
                .header("accept", "application/json, text/event-stream");
            if named {
                request = request
                    .header("mcp-protocol-version", "2026-07-28")
                    .header("mcp-method", "tools/call")
                    .header("mcp-name", "list_notes");
            }
            let answer = host.send(request, Bytes::from(body.clone())).await;
            assert!(matches!(answer.status().as_u16(), 400 | 403), "{} {body}", answer.status());
        }
    }
    assert!(host.calls().is_empty(), "{:?}", host.calls());
    assert_eq!(call(&host, &tokens, "list_notes").await, StatusCode::OK);
}
