//! RT: refresh tokens are spent by use, and buy what was granted, for whom it was granted.

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use oauth_core::{GrantTypeName, Identity, Revocation, SubjectKind, async_trait};
use oauth_server::{Asked, Entitlement, GrantType, Policy, TokenFault};
use oauth_testing::{KnownClient, Tokens};
use tokio::sync::Barrier;

use crate::host::{Host, VERIFIER, agree, ask, assert_refused, redeem, refresh, token_request};

fn refresh_token(tokens: &Tokens) -> &str {
    tokens.refresh_token.as_deref().unwrap()
}

/// Fifty at once with one refresh token, over as many tasks.
async fn at_once(host: &Arc<Host>, token: &str) -> Vec<(u16, serde_json::Value)> {
    let barrier = Arc::new(Barrier::new(50));
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let (host, barrier, request) = (host.clone(), barrier.clone(), refresh("app", token));
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            let answer = host.client().send(&request).await.unwrap();
            (answer.status.as_u16(), answer.json)
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rt_2_parallel_refresh() {
    // Within the grace window all get the very same successors: one branch.
    let host = Arc::new(Host::start().await);
    let tokens = host.tokens().await;
    let answers = at_once(&host, refresh_token(&tokens)).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 200);
    let next = Tokens::read(&answers[0].1).unwrap();
    assert!(host.lets_in(&next.access_token).await);
    host.client().send(&refresh("app", refresh_token(&next))).await.unwrap().tokens().unwrap();

    // Without one, a single winner, whose tokens end with the others' tries.
    let host = Arc::new(Host::with(|server| server.policy(Policy::strict())).await);
    let tokens = host.tokens().await;
    let answers = at_once(&host, refresh_token(&tokens)).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((won.len(), lost.len()), (1, 49));
    assert!(lost.iter().all(|(status, json)| *status == 400 && json["error"] == "invalid_grant"));
    assert!(!host.lets_in(&Tokens::read(&won[0].1).unwrap().access_token).await);
}

#[tokio::test]
async fn a_rt_4_lost_response() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let request = refresh("app", refresh_token(&tokens));
    // The store did it, and its answer was lost; the client tries again.
    host.faults().lose_next("grants.exchange");
    assert_refused(&host.client().send(&request).await.unwrap(), 503, "temporarily_unavailable");
    let first = host.client().send(&request).await.unwrap();
    host.forward(119);
    let again = host.client().send(&request).await.unwrap();
    assert_eq!((first.status, &first.json), (StatusCode::OK, &again.json));
    // Who asks for something else makes no retry, and ends it all.
    let other = host.tokens().await;
    let narrowed = refresh("app", refresh_token(&other)).set("scope", "notes:read");
    host.client().send(&refresh("app", refresh_token(&other))).await.unwrap().tokens().unwrap();
    assert_refused(&host.client().send(&narrowed).await.unwrap(), 400, "invalid_grant");
    // After the window it is a theft, whoever it is.
    host.forward(2);
    assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_grant");
    assert!(!host.lets_in(&first.tokens().unwrap().access_token).await);
    assert_eq!(host.heard("refresh_replayed"), 2);
}

#[tokio::test]
async fn a_rt_5_other_client() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let gateway = KnownClient::Gateway.registration();
    let stolen =
        token_request().set("grant_type", "refresh_token").set("refresh_token", refresh_token(&tokens));
    for request in [refresh("one", refresh_token(&tokens)), stolen.of_client(&gateway)] {
        assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_grant");
    }
    // The owner has lost nothing by it.
    host.client().send(&refresh("app", refresh_token(&tokens))).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_rt_6_authentication_dropped() {
    let host = Host::start().await;
    for client in [KnownClient::Gateway, KnownClient::Legacy] {
        let registration = client.registration();
        let id = registration.client_id.clone();
        let callback = agree(&mut host.browser(), &ask(&id, client.redirect_uri()), "alice").await;
        let request = token_request()
            .set("grant_type", "authorization_code")
            .set("code", callback.code().unwrap())
            .set("code_verifier", VERIFIER)
            .of_client(&registration);
        let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
        let bare =
            token_request().set("grant_type", "refresh_token").set("refresh_token", refresh_token(&tokens));
        for request in [
            bare.clone().set("client_id", &id),
            bare.clone().set("client_id", &id).set("client_secret", "wrong"),
            bare.clone().basic(&id, ""),
            bare.clone().basic(&id, "wrong"),
        ] {
            assert_refused(&host.client().send(&request).await.unwrap(), 401, "invalid_client");
        }
        assert_refused(&host.client().send(&bare).await.unwrap(), 400, "invalid_request");
        host.client().send(&bare.of_client(&registration)).await.unwrap().tokens().unwrap();
    }
}

#[tokio::test]
async fn a_rt_7_scope_escalation() {
    let host = Host::start().await;
    let callback =
        agree(&mut host.browser(), &ask("app", crate::host::CALLBACK).set("scope", "notes:read"), "alice")
            .await;
    let tokens =
        host.client().send(&redeem("app", callback.code().unwrap())).await.unwrap().tokens().unwrap();
    for scope in [
        "notes:read notes:write",
        "notes:write",
        "notes:delete",
        "admin",
        // What this server does not know was not granted either (REF-6).
        "notes:read admin",
        "notes:read openid",
        "notes:read\tnotes:write",
        "notes:read\n",
    ] {
        let answer =
            host.client().send(&refresh("app", refresh_token(&tokens)).set("scope", scope)).await.unwrap();
        assert_refused(&answer, 400, "invalid_scope");
    }
    // It is no scope, and clients send it along.
    let offline = refresh("app", refresh_token(&tokens)).set("scope", "notes:read offline_access");
    let tokens = host.client().send(&offline).await.unwrap().tokens().unwrap();
    // The family lives.
    let tokens = host.client().send(&refresh("app", refresh_token(&tokens))).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
}

#[tokio::test]
async fn a_rt_8_scope_widened_again() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let narrow = refresh("app", refresh_token(&tokens)).set("scope", "notes:read");
    let tokens = host.client().send(&narrow).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
    // Beyond the grant: no. Back to it: yes (RFC 6749 §6).
    let beyond = refresh("app", refresh_token(&tokens)).set("scope", "notes:read notes:write notes:delete");
    assert_refused(&host.client().send(&beyond).await.unwrap(), 400, "invalid_scope");
    let unknown = refresh("app", refresh_token(&tokens)).set("scope", "notes:read notes:write admin");
    assert_refused(&host.client().send(&unknown).await.unwrap(), 400, "invalid_scope");
    let back = refresh("app", refresh_token(&tokens)).set("scope", "notes:write notes:read");
    let tokens = host.client().send(&back).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read notes:write"));
}

#[tokio::test]
async fn a_rt_10_user_client_or_resource_gone() {
    let host = Host::start().await;
    // The user.
    let tokens = host.tokens().await;
    let accounts = &host.stores().accounts;
    let alice = Identity { provider: "door".parse().unwrap(), id: "alice".to_owned() };
    let mut account = accounts.find_by_identity(&alice).await.unwrap().unwrap();
    for (disabled, error) in [(true, Some("invalid_grant")), (false, None)] {
        account.disabled = disabled;
        accounts.update(&account).await.unwrap();
        let answer = host.client().send(&refresh("app", refresh_token(&tokens))).await.unwrap();
        assert_eq!(answer.error(), error, "{}", answer.text());
    }
    // The client.
    let redirect_uri = "https://tool.example/registered";
    let id = host.registered("Tool", redirect_uri).await;
    let callback = agree(&mut host.browser(), &ask(&id, redirect_uri), "alice").await;
    let request = redeem(&id, callback.code().unwrap()).set("redirect_uri", redirect_uri);
    let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
    host.stores().clients.remove(&id.parse().unwrap()).await.unwrap();
    let answer = host.client().send(&refresh(&id, refresh_token(&tokens))).await.unwrap();
    assert_refused(&answer, 401, "invalid_client");
    // The grant.
    let tokens = host.tokens().await;
    host.stores()
        .grants
        .revoke(Revocation::Subject(&account.subject), oauth_core::Clock::now(host.clock()))
        .await
        .unwrap();
    let answer = host.client().send(&refresh("app", refresh_token(&tokens))).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    assert!(!host.lets_in(&tokens.access_token).await);
    // A resource that the grant is not for, known or not.
    let tokens = host.tokens().await;
    for resource in ["https://mcp.example/other", "https://mcp.example/MCP", "https://mcp.example", "x"] {
        let answer = host
            .client()
            .send(&refresh("app", refresh_token(&tokens)).set("resource", resource))
            .await
            .unwrap();
        assert_refused(&answer, 400, "invalid_target");
    }
    host.client().send(&refresh("app", refresh_token(&tokens))).await.unwrap().tokens().unwrap();
}

/// RFC 6749 §4.4 as a host would add it.
struct ClientCredentials;

#[async_trait]
impl GrantType for ClientCredentials {
    fn name(&self) -> GrantTypeName {
        GrantTypeName::ClientCredentials
    }

    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
        let subject =
            format!("client:{}", asked.client().id).parse().map_err(|_| TokenFault::UnauthorizedClient)?;
        Entitlement::new(&asked, subject, SubjectKind::Client)
    }
}

#[tokio::test]
async fn a_rt_12_no_refresh_token_without_a_user() {
    let host = Host::with(|server| {
        let robot = r#"[{"client_id":"robot","client_secret":"robot-secret-0123456789","grant_types":["client_credentials","refresh_token"]}]"#;
        server.grant_type(ClientCredentials).clients_json(robot)
    })
    .await;
    let request =
        token_request().set("grant_type", "client_credentials").basic("robot", "robot-secret-0123456789");
    let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.refresh_token, None);
    assert!(host.lets_in(&tokens.access_token).await);
    // An access token is no refresh token.
    let request = token_request()
        .set("grant_type", "refresh_token")
        .set("refresh_token", &tokens.access_token)
        .basic("robot", "robot-secret-0123456789");
    assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_grant");
    // Whoever is not registered for it, is not let to it by asking: a client that registers itself, above all.
    let request = token_request().set("grant_type", "client_credentials").set("client_id", "app");
    assert_refused(&host.client().send(&request).await.unwrap(), 400, "unauthorized_client");
}

/// There is no DPoP here: whoever sends a proof gets a bearer token that says so, and is not led to believe in a binding.
#[tokio::test]
async fn a_rt_13_no_key_to_swap() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.x".parse().unwrap();
    let request = refresh("app", refresh_token(&tokens)).header(HeaderName::from_static("dpop"), proof);
    let tokens = host.client().send(&request).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.token_type, "Bearer");
    let metadata = host.get("/.well-known/oauth-authorization-server").await;
    assert!(!String::from_utf8_lossy(metadata.body()).contains("dpop"));
}

/// What one kind of credential opens, no other kind does.
#[tokio::test]
async fn credentials_of_other_kinds_are_refused() {
    let host = Host::start().await;
    let code = host.code().await;
    let tokens = host.tokens().await;
    for token in [&code, &tokens.access_token] {
        assert_refused(&host.client().send(&refresh("app", token)).await.unwrap(), 400, "invalid_grant");
    }
    for token in [refresh_token(&tokens), &tokens.access_token] {
        assert_refused(&host.client().send(&redeem("app", token)).await.unwrap(), 400, "invalid_grant");
    }
    for token in [&code, refresh_token(&tokens)] {
        assert!(!host.lets_in(token).await);
    }
    // A grant's identifier stands in each of its tokens; with another's it opens nothing.
    let other = host.tokens().await;
    let swapped = format!("{}{}", &tokens.access_token[..30], &other.access_token[30..]);
    assert!(!host.lets_in(&swapped).await);
    assert!(host.lets_in(&tokens.access_token).await && host.lets_in(&other.access_token).await);
}
