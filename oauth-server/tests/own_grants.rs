//! Grant types that others define: what the server keeps true whatever they decide.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use oauth_core::testing::FixedClock;
use oauth_core::{Account, GrantTypeName, Identity, ScopeSet, Stores, SubjectKind, Timestamp, async_trait};
use oauth_server::{Asked, AuthorizationServer, Entitlement, GrantType, TokenFault};
use support::{builder, post};

const OWN: &str = "https://as.example/grant-type/word";

/// Whoever says who they are is believed, and gets what they name.
struct Word(GrantTypeName);

#[async_trait]
impl GrantType for Word {
    fn name(&self) -> GrantTypeName {
        self.0.clone()
    }

    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
        let who = asked.form().get("who").ok_or(TokenFault::Malformed("who is missing"))?;
        let who = who.parse().map_err(|_| TokenFault::Malformed("who is no name"))?;
        let entitlement = Entitlement::new(&asked, who, SubjectKind::User)?;
        Ok(match asked.form().get("only") {
            Some(only) => entitlement.narrowed_to(&[only].into_iter().collect::<ScopeSet>()),
            None => entitlement,
        })
    }
}

async fn server(stores: Stores) -> AuthorizationServer {
    let clients = format!(
        r#"[{{"client_id":"worker","client_secret":"worker-secret-0123456789","token_endpoint_auth_method":"client_secret_post",
            "grant_types":["{OWN}"]}},
           {{"client_id":"public-one","redirect_uris":["https://app.example/cb"],"client_name":"Public"}}]"#
    );
    let builder = builder(stores, &FixedClock::default()).clients_json(&clients);
    builder.grant_type(Word(OWN.parse().unwrap())).build().await.unwrap()
}

async fn ask(server: &AuthorizationServer, more: &[(&str, &str)]) -> support::Answer {
    let mut form = vec![
        ("grant_type", OWN),
        ("client_id", "worker"),
        ("client_secret", "worker-secret-0123456789"),
        ("who", "alice"),
    ];
    for (name, value) in more {
        form.retain(|(own, _)| own != name);
        form.push((name, value));
    }
    post(server, "/token", &[], &form).await
}

#[tokio::test]
async fn one_by_a_name_of_its_own_is_offered_to_who_has_it() {
    // TOK-15, RFC 6749 §4.5
    let server = server(Stores::memory()).await;
    let answer = ask(&server, &[]).await;
    assert_eq!(answer.json()["token_type"], "Bearer", "{answer:?}");
    let metadata = support::get(&server, "/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&OWN.into()), "{metadata}");
    let form = [("grant_type", OWN), ("client_id", "public"), ("who", "alice")];
    assert_eq!(post(&server, "/token", &[], &form).await.error(), (400, "unauthorized_client".to_owned()));
    let unknown = ask(&server, &[("grant_type", "https://as.example/grant-type/other")]).await;
    assert_eq!(unknown.error(), (400, "unsupported_grant_type".to_owned()));
}

#[tokio::test]
async fn who_is_disabled_gets_nothing_by_any_grant() {
    let stores = Stores::memory();
    let server = server(stores.clone()).await;
    let account = Account {
        subject: "alice".parse().unwrap(),
        name: None,
        created_at: Timestamp::from_secs(1),
        disabled: true,
    };
    let identity = Identity { provider: "door".parse().unwrap(), id: "alice".to_owned() };
    stores.accounts.open(&account, &identity).await.unwrap();
    assert_eq!(ask(&server, &[]).await.error(), (400, "invalid_grant".to_owned()));
    assert!(ask(&server, &[("who", "bob")]).await.status.is_success());
}

#[tokio::test]
async fn a_token_for_nothing_is_not_issued() {
    // TOK-5
    let server = server(Stores::memory()).await;
    let some = ask(&server, &[("only", "notes:read")]).await;
    assert_eq!(some.json()["scope"], "notes:read", "{some:?}");
    let none = ask(&server, &[("scope", "notes:write"), ("only", "notes:read")]).await;
    assert_eq!(none.error(), (400, "invalid_scope".to_owned()));
}

#[tokio::test]
async fn whom_anybody_can_be_gets_nothing_though_a_store_says_it_may() {
    // CC-1: put there by an operator's tool, past every check of a configuration.
    let stores = Stores::memory();
    let builder = builder(stores.clone(), &FixedClock::default());
    let server = builder.grant_type(Word(GrantTypeName::ClientCredentials)).build().await.unwrap();
    let mut client = oauth_core::Client::public("robot".parse().unwrap(), []);
    client.grant_types = vec![GrantTypeName::ClientCredentials];
    let _ = stores.clients.register(&client, Timestamp::from_secs(1)).await.unwrap();
    let form = [("grant_type", "client_credentials"), ("client_id", "robot"), ("who", "robot")];
    assert_eq!(post(&server, "/token", &[], &form).await.error(), (400, "unauthorized_client".to_owned()));
}
