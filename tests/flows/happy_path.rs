//! From a stranger's 401 to a tool call and to the end of it, by every kind of client, over every embedded store.

use http::StatusCode;
use oauth_core::MemoryStore;
use oauth_stores::SqliteStore;
use oauth_testing::{Client, KnownClient, Protocol, Registration, Site, Tokens, Visit};

/// Sign-in, consent, tool call, refresh, tool call, revocation, refusal.
async fn whole_path(site: &Site, mut visit: Visit) {
    let refused = visit.client.mcp().call(None, "tools/list", serde_json::json!({})).await.unwrap();
    assert_eq!(refused.http.status, 401);

    let tokens = visit.connect().await.unwrap();
    // TOK-5, TOK-12, AS-45: what is advertised, for ten minutes.
    assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("Bearer", Some(600)));
    assert_eq!(tokens.scope.as_deref(), Some("notes:read notes:write"));
    for protocol in [Protocol::Session, Protocol::Stateless] {
        let client = visit.client.clone().with_protocol(protocol);
        let mut mcp = client.mcp();
        mcp.connect(Some(&tokens.access_token)).await.unwrap();
        let answer = mcp
            .call_tool(Some(&tokens.access_token), "add_note", serde_json::json!({ "text": "hello" }))
            .await;
        answer.unwrap().result().unwrap();
    }
    let call = site.calls().pop().unwrap();
    assert_eq!(call.client_id.as_deref(), Some(&*visit.registration.client_id));
    assert_eq!(call.scope, tokens.scope);
    // RS-39: the token goes no further.
    assert!(!call.headers.contains_key("authorization"));

    let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    // REF-1: both are new.
    assert_ne!(refreshed.access_token, tokens.access_token);
    assert_ne!(refreshed.refresh_token, tokens.refresh_token);
    visit.call_tool(&refreshed, "list_notes").await.unwrap().result().unwrap();
    let subjects: Vec<_> = site.calls().into_iter().map(|call| call.subject).collect();
    assert!(subjects.iter().all(|subject| subject.is_some() && *subject == subjects[0]), "{subjects:?}");

    ends_at_once(site, &visit, &refreshed).await;
}

/// REF-14, REV-3: the revocation of the refresh token reaches the resource in this process at once, whatever it remembers.
async fn ends_at_once(site: &Site, visit: &Visit, tokens: &Tokens) {
    let active = |token: &str| {
        let form = visit.client.introspect(&visit.found, &Registration::public("nobody"), token).unwrap();
        form.remove("client_id").basic(Site::MCP, Site::RESOURCE_SECRET)
    };
    let seen = visit.send(&active(&tokens.access_token)).await.unwrap();
    // INTR-4
    assert_eq!(seen.json["active"], true, "{}", seen.text());
    assert_eq!(seen.member("client_id"), Some(&*visit.registration.client_id));
    assert_eq!(seen.member("scope"), tokens.scope.as_deref());

    let calls = site.calls().len();
    let revoked = visit.send(&visit.revoke(tokens.refresh_token.as_deref().unwrap()).unwrap()).await.unwrap();
    assert_eq!(revoked.status, 200);
    let refused = visit.call_tool(tokens, "list_notes").await.unwrap();
    assert_eq!(refused.http.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.challenge().unwrap().unwrap().param("error"), Some("invalid_token"));
    assert_eq!(site.calls().len(), calls, "nothing gets through");
    let seen = visit.send(&active(&tokens.access_token)).await.unwrap();
    assert_eq!(seen.text(), r#"{"active":false}"#);
    let dead = visit.send(&visit.refresh(tokens).unwrap()).await.unwrap();
    assert_eq!((dead.status, dead.error()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
}

#[tokio::test]
async fn a_newcomer_registers_signs_in_agrees_and_calls_tools() {
    let site = Site::new().await.unwrap();
    let visit = site.visit_of_newcomer().await.unwrap();
    whole_path(&site, visit).await;
    // LIM-6: all of it is in the audit.
    let events = site.events();
    for kind in [
        "client_registered",
        "signed_in",
        "consent_given",
        "token_issued",
        "token_refreshed",
        "grant_revoked",
        "token_refused",
    ] {
        assert!(events.iter().any(|event| event.starts_with(kind)), "{kind}: {events:#?}");
    }
}

#[tokio::test]
async fn every_known_client_goes_the_whole_path() {
    // CAUTH-2, CAUTH-3, CIMD-11, CIMD-13
    for client in KnownClient::ALL {
        let site = Site::new().await.unwrap();
        let visit = site.visit(client).await.unwrap();
        whole_path(&site, visit).await;
        let fetched = usize::from(client == KnownClient::Document);
        assert_eq!(site.documents().requests().len(), fetched, "{client:?}");
    }
}

#[tokio::test]
async fn a_document_is_a_client_at_any_port_of_its_machine_too() {
    // AS-32, CIMD-13
    let site = Site::new().await.unwrap();
    let document = KnownClient::Document.registration();
    let visit = site.visit_as(document, "http://127.0.0.1:53123/callback").await.unwrap();
    whole_path(&site, visit).await;
}

#[tokio::test]
async fn a_registered_confidential_client_obeys_what_it_was_told() {
    // DCR-4: without a method it is told one, and that one works.
    let site = Site::new().await.unwrap();
    for method in [None, Some("client_secret_basic"), Some("client_secret_post")] {
        let client = site.client("https://new.example/cb").unwrap();
        let found = client.discover().await.unwrap();
        let mut request = client.registration().without("token_endpoint_auth_method");
        if let Some(method) = method {
            request = request.with("token_endpoint_auth_method", method.into());
        }
        let registered = client.register(&found, &request).await.unwrap();
        assert!(registered.client_secret.is_some() || method.is_none());
        let visit = site.visit_as(registered, "https://new.example/cb").await.unwrap();
        whole_path(&site, visit).await;
    }
}

#[tokio::test]
async fn the_whole_path_is_the_same_over_sqlite() {
    let site = Site::builder().store(SqliteStore::in_memory().unwrap()).build().await.unwrap();
    let visit = site.visit_of_newcomer().await.unwrap();
    whole_path(&site, visit).await;
    let visit = site.visit(KnownClient::Gateway).await.unwrap();
    whole_path(&site, visit).await;
}

#[tokio::test]
async fn a_client_of_2025_03_26_finds_its_way_without_any_metadata() {
    // AS-25: the default paths at the MCP server's origin are the real ones.
    let site = Site::builder().store(MemoryStore::default()).build().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let origin = Site::ORIGIN;
    visit.found.server = serde_json::json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
    });
    visit.registration = visit.client.register(&visit.found, &visit.client.registration()).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let request = request.remove("scope").remove("resource");
    let callback = visit.answer(&request).await.unwrap();
    let redeem = visit.redeem(&callback, &pkce).unwrap().remove("resource");
    let tokens = visit.send(&redeem).await.unwrap().tokens().unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    assert_eq!(visit.client.redirect_uri(), Client::REDIRECT_URI);
}

#[tokio::test]
async fn a_step_up_asks_for_what_the_tool_needs_and_then_works() {
    // RS-22, RS-23, CAUTH of the SDKs: the union of what it has and what the challenge names.
    let site = Site::new().await.unwrap();
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    let calls = site.calls().len();
    let refused = visit.call_tool(&tokens, "delete_note").await.unwrap();
    assert_eq!(refused.http.status, StatusCode::FORBIDDEN);
    let challenge = refused.challenge().unwrap().unwrap();
    assert_eq!(challenge.param("error"), Some("insufficient_scope"));
    let needed = challenge.param("scope").unwrap();
    assert!(needed.split(' ').any(|scope| scope == "notes:delete"), "{needed}");
    assert!(challenge.param("resource_metadata").is_some());
    assert_eq!(site.calls().len(), calls, "nothing got through");

    let (request, pkce) = visit.request().unwrap();
    let union = format!("{} {needed}", tokens.scope.as_deref().unwrap());
    let more = visit.connect_by(&request.set("scope", &union), &pkce).await.unwrap();
    assert!(more.has_scope("notes:delete") && more.has_scope("notes:write"));
    visit.call_tool(&more, "delete_note").await.unwrap().result().unwrap();
    // The first grant is left as it was.
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
}
