//! What cannot be meant is found before the first request, all at once, and named.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use oauth_core::{Client, ClientAuth, GrantTypeName, Stores, SubjectKind, async_trait};
use oauth_server::{
    Asked, AuthorizationServer, BuildError, Builder, Entitlement, GrantType, OfferedScope, Registration,
    TokenFault,
};

fn builder() -> Builder {
    AuthorizationServer::builder("https://as.example", Stores::memory())
        .resource("https://as.example/mcp")
        .scope(OfferedScope::new("notes:read", "Read your notes"))
        .scope(OfferedScope::new("notes:delete", "Delete your notes").on_request())
        .insecure_approve_all("owner")
}

async fn faults(builder: Builder) -> Vec<String> {
    match builder.build().await {
        Ok(_) => Vec::new(),
        Err(BuildError::Config(faults)) => faults,
        Err(error) => panic!("{error}"),
    }
}

struct Own(GrantTypeName);

#[async_trait]
impl GrantType for Own {
    fn name(&self) -> GrantTypeName {
        self.0.clone()
    }

    async fn entitle(&self, asked: Asked<'_>) -> Result<Entitlement, TokenFault> {
        let subject = "machine".parse().map_err(|_| TokenFault::UnauthorizedClient)?;
        Entitlement::new(&asked, subject, SubjectKind::Client)
    }
}

#[tokio::test]
async fn hosts_of_redirects_are_hosts() {
    let wrong = [
        "https://app.example",
        "*.app.example",
        "app.example:443",
        "",
        "app.example/",
        "app.example.",
        " app.example",
        "b\u{fc}cher.example",
    ];
    let hosts = |hosts: &[&str]| {
        builder()
            .registration(Registration::RedirectHosts(hosts.iter().map(|host| (*host).to_owned()).collect()))
    };
    let found = faults(hosts(&wrong)).await;
    assert_eq!(found.len(), wrong.len(), "{found:#?}");
    for (host, fault) in wrong.iter().zip(&found) {
        assert!(fault.contains(&format!("{host:?}")), "{fault}");
    }
    let right =
        ["app.example", "App.Example", "xn--bcher-kva.example", "192.0.2.1", "[2001:db8::1]", "intranet"];
    assert_eq!(faults(hosts(&right)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_configured_client_asks_for_what_is_offered() {
    let json = r#"[
        {"client_id": "a", "redirect_uris": ["https://a.example/cb"], "scope": "notes:read notes:wriet"},
        {"client_id": "b", "client_secret": "at least sixteen", "grant_types": ["client_credentials"]},
        {"client_id": "c", "redirect_uris": ["https://c.example/cb"], "scope": "notes:delete offline_access"}
    ]"#;
    let found = faults(builder().clients_json(json)).await;
    assert_eq!(
        found,
        [
            r#"client: "a": this server does not offer the scope "notes:wriet""#,
            r#"client: "b": this server does not offer the grant type "client_credentials""#,
        ]
    );
    let offered = builder().grant_type(Own(GrantTypeName::ClientCredentials));
    assert_eq!(faults(offered.clients_json(&json.replace("wriet", "delete"))).await, Vec::<String>::new());
}

#[tokio::test]
async fn whom_anybody_can_be_gets_nothing_of_its_own() {
    let mut client = Client::public("robot".parse().unwrap(), []);
    client.grant_types = vec![GrantTypeName::ClientCredentials];
    let offered = || builder().grant_type(Own(GrantTypeName::ClientCredentials));
    let json = r#"[{"client_id": "robot", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"}]"#;
    for builder in [offered().client(client.clone()), offered().clients_json(json)] {
        let found = faults(builder).await;
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("\"robot\"") && found[0].contains("client_credentials"), "{found:#?}");
    }
    client.auth = ClientAuth::SecretBasic(vec![oauth_core::ClientSecret {
        hash: oauth_core::TokenHash::of("at least sixteen"),
        expires_at: None,
    }]);
    assert_eq!(faults(offered().client(client)).await, Vec::<String>::new());
}

#[tokio::test]
async fn no_grant_type_replaces_another() {
    let names = [
        GrantTypeName::AuthorizationCode,
        GrantTypeName::RefreshToken,
        GrantTypeName::TokenExchange,
        GrantTypeName::TokenExchange,
    ];
    let found =
        faults(names.into_iter().fold(builder(), |builder, name| builder.grant_type(Own(name)))).await;
    assert_eq!(
        found,
        [
            r#"grant_type: "authorization_code" is this server's own and cannot be replaced"#,
            r#"grant_type: "refresh_token" is this server's own and cannot be replaced"#,
            r#"grant_type: "urn:ietf:params:oauth:grant-type:token-exchange" stands twice"#,
        ]
    );
}

#[tokio::test]
async fn languages_are_named_by_tags() {
    // AS-20
    let wrong = ["", "english language", "de_CH", "1a", "en-", "abcdefghi", "d\u{e9}"];
    let found = faults(builder().ui_locales(wrong)).await;
    assert_eq!(found.len(), wrong.len(), "{found:#?}");
    assert_eq!(
        faults(builder().ui_locales(["en", "de-CH", "zh-Hant-TW", "sl-rozaj-1994"])).await,
        Vec::<String>::new()
    );
}
