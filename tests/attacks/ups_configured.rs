//! UPS: third parties as they are configured, and where a connection may lead.

use std::sync::Arc;

use http::StatusCode;
use oauth_core::fetch::{Fetched, StaticFetch};
use oauth_core::{
    Background, Claims, ConnectedAccounts, Connection, ConnectionFault, ConnectionReply, Departure,
    Presented, ProviderId, ScopeSet, SealedVault, Secret, Stores, SubjectKind, Timestamp, VaultKeyring,
    async_trait,
};
use oauth_providers::OAuthConnection;
use oauth_server::{AuthorizationServer, BuildError, ElicitationFault};
use oauth_testing::Site;
use serde_json::json;

use crate::host::{CALLBACK, Host, ORIGIN, agree, ask};
use crate::ups_scene::{EXPIRED, assert_refused, press};

/// An outage before anybody has left uses nothing up.
#[tokio::test]
async fn nobody_is_sent_to_who_cannot_be_asked_and_the_same_page_will_do_later() {
    let metadata = "https://third.example/.well-known/oauth-authorization-server";
    let fetch = Arc::new(StaticFetch::new());
    let connection = |fetch: Arc<StaticFetch>| {
        let connection = OAuthConnection::builder("third", "Third").issuer("https://third.example");
        connection.public_client("us").fetch(fetch).build().unwrap()
    };
    let keys = VaultKeyring::new("k", &[7; 32]).unwrap();
    let vault = SealedVault::new(Stores::memory().vault, keys);
    let accounts = ConnectedAccounts::new(ORIGIN.parse().unwrap(), connection(fetch.clone()), vault);
    let host = Host::with(move |server| server.connect(accounts.clone())).await;
    let mut browser = host.browser();
    agree(&mut browser, &ask("app", CALLBACK), "alice").await;
    let tokens = host.tokens().await;
    assert!(host.lets_in(&tokens.access_token).await);
    let subject = host.calls().last().unwrap().subject.clone().unwrap().parse().unwrap();
    let caller = Claims::new(ORIGIN, subject, "app".parse().unwrap(), Timestamp::MAX);
    let link = || host.server().elicitation("third", &caller).unwrap().url;
    let page = browser.get(&link()).await.unwrap();
    let down = press(&mut browser, &page, "Connect").await;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE, "{}", down.text());
    let says = |authorize: &str| {
        let json = json!({ "issuer": "https://third.example", "authorization_endpoint": authorize,
            "token_endpoint": "https://third.example/token" });
        fetch.set(metadata, Fetched::json(json.to_string()));
    };
    says("https://third.example/authorize?tenant=1");
    // A third party that failed is left alone for a moment.
    let page_again = press(&mut browser, &page, "Connect").await;
    assert_eq!(page_again.status, StatusCode::SERVICE_UNAVAILABLE);
    host.forward(5);
    let departure = press(&mut browser, &page, "Connect").await.location().unwrap();
    assert!(departure.as_str().starts_with("https://third.example/authorize?tenant=1&"), "{departure}");
    // RS-91: metadata that leads into this server's own authorization is not followed.
    host.forward(3600);
    says("https://MCP.example./authorize?x=y");
    let page = browser.get(&link()).await.unwrap();
    assert_refused(&press(&mut browser, &page, "Connect").await, EXPIRED);
}

/// Accounts of the users of `issuer`.
fn tracker_of(issuer: &str) -> ConnectedAccounts {
    let connection =
        OAuthConnection::builder("self", "Self").issuer("https://third.example").public_client("us");
    let connection = connection.fetch(Arc::new(StaticFetch::new())).build().unwrap();
    let vault = SealedVault::new(Stores::memory().vault, VaultKeyring::new("k", &[7; 32]).unwrap());
    ConnectedAccounts::new(issuer.parse().unwrap(), connection, vault)
}

/// RS-91: URL mode is never used for MCP's own authorization, and asks nobody whom this server does not know.
#[tokio::test]
async fn the_server_connects_to_no_account_of_its_own() {
    let built = |issuer: &str| {
        let connection = OAuthConnection::builder("self", "Self").issuer(issuer).public_client("us");
        let connection = connection.fetch(Arc::new(StaticFetch::new())).build().unwrap();
        let keys = VaultKeyring::new("k", &[7; 32]).unwrap();
        let vault = SealedVault::new(Stores::memory().vault, keys);
        let accounts = ConnectedAccounts::new(ORIGIN.parse().unwrap(), connection, vault);
        AuthorizationServer::builder(ORIGIN, Stores::memory())
            .resource(Site::MCP)
            .sign_in_with(crate::upstream::Upstream::new("idp"))
            .connect(accounts)
    };
    for own in [ORIGIN, "https://MCP.example./t1", "https://mcp.example:443"] {
        let Err(BuildError::Config(faults)) = built(own).build().await else { panic!("{own}") };
        assert_eq!(faults, ["connect: \"self\" must be another server than this one"], "{own}");
    }
    let others = tracker_of("https://other.example");
    let built_for_others = AuthorizationServer::builder(ORIGIN, Stores::memory())
        .resource(Site::MCP)
        .sign_in_with(crate::upstream::Upstream::new("idp"))
        .connect(others)
        .build()
        .await;
    let Err(BuildError::Config(faults)) = built_for_others else { panic!("another issuer's accounts") };
    assert_eq!(faults, ["connect: \"self\" has accounts of the users of https://other.example"]);
    let anybody = built("https://third.example").insecure_approve_all("owner").build().await;
    assert!(matches!(anybody, Err(BuildError::Config(faults)) if faults[0].contains("nobody signs in")));
    let server = built("https://third.example").build().await.unwrap();
    let caller =
        |issuer: &str| Claims::new(issuer, "alice".parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX);
    assert_eq!(
        server.elicitation("self", &caller("https://other.example")),
        Err(ElicitationFault::OtherIssuer)
    );
    assert!(matches!(server.elicitation("nowhere", &caller(ORIGIN)), Err(ElicitationFault::Unknown(_))));
    let mut machine = caller(ORIGIN);
    machine.subject_kind = SubjectKind::Client;
    assert_eq!(server.elicitation("self", &machine), Err(ElicitationFault::NoUser));
}

/// What an operator can write that is wrong, all at once.
#[tokio::test]
async fn what_is_wrong_with_third_parties_is_said_at_once() {
    let named = |id: &str| {
        let connection =
            OAuthConnection::builder(id, "T").issuer("https://third.example").public_client("us");
        connection.fetch(Arc::new(StaticFetch::new())).build().unwrap()
    };
    let accounts = |id: &str| ConnectedAccounts::new(ORIGIN.parse().unwrap(), named(id), vault());
    let built = AuthorizationServer::builder(ORIGIN, Stores::memory())
        .resource(Site::MCP)
        .sign_in_with(crate::upstream::Upstream::new("idp"))
        .connect(accounts("one"))
        .connect(accounts("one"))
        .connect(ConnectedAccounts::new(ORIGIN.parse().unwrap(), Leads::to("A_b", ""), vault()))
        .build()
        .await;
    let Err(BuildError::Config(faults)) = built else { panic!("two of a name, and one that is no path") };
    assert_eq!(
        faults,
        ["connect: \"one\" stands twice", "connect: \"A_b\" must be lower-case letters, digits and '-'",]
    );
}

fn vault() -> SealedVault {
    SealedVault::new(Stores::memory().vault, VaultKeyring::new("k", &[7; 32]).unwrap())
}

/// An own adapter that sends browsers wherever it likes.
struct Leads {
    id: ProviderId,
    to: &'static str,
    scopes: ScopeSet,
}

impl Leads {
    fn to(id: &str, to: &'static str) -> Self {
        Self { id: id.parse().unwrap(), to, scopes: ScopeSet::empty() }
    }
}

#[async_trait]
impl Connection for Leads {
    fn id(&self) -> &ProviderId {
        &self.id
    }
    fn label(&self) -> &str {
        "Third"
    }
    fn issuer(&self) -> &str {
        "https://third.example"
    }
    fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }
    async fn begin(&self, _: &str, _: Timestamp) -> Result<Departure, ConnectionFault> {
        Ok(Departure::new(self.to.to_owned(), Secret::new(String::new())))
    }
    async fn finish(&self, _: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> {
        Err(ConnectionFault::Refused("nobody"))
    }
    fn present(&self, _: &Secret, _: Timestamp) -> Presented {
        Presented::Useless
    }
    async fn renew(&self, _: &Secret, _: Timestamp) -> Result<Secret, ConnectionFault> {
        Err(ConnectionFault::Refused("nobody"))
    }
    fn spawn(&self, work: Background) {
        tokio::spawn(work);
    }
}

/// Whatever an adapter says: to another server, by a way on which nobody reads along.
#[tokio::test]
async fn an_adapter_sends_nobody_astray() {
    for (to, is_good) in [
        ("https://third.example/authorize", true),
        ("http://127.0.0.1:9/authorize", true),
        ("http://third.example/authorize", false),
        ("javascript:alert(1)", false),
        ("/authorize", false),
        ("https://mcp.example/authorize?client_id=app", false),
    ] {
        let accounts = ConnectedAccounts::new(ORIGIN.parse().unwrap(), Leads::to("third", to), vault());
        let host = Host::with(move |server| server.connect(accounts.clone())).await;
        let mut browser = host.browser();
        agree(&mut browser, &ask("app", CALLBACK), "alice").await;
        let tokens = host.tokens().await;
        assert!(host.lets_in(&tokens.access_token).await);
        let subject = host.calls().last().unwrap().subject.clone().unwrap().parse().unwrap();
        let caller = Claims::new(ORIGIN, subject, "app".parse().unwrap(), Timestamp::MAX);
        let page = browser.get(&host.server().elicitation("third", &caller).unwrap().url).await.unwrap();
        let answer = press(&mut browser, &page, "Connect").await;
        if is_good {
            assert!(answer.location().unwrap().as_str().starts_with(to), "{to}");
        } else {
            assert_refused(&answer, EXPIRED);
        }
    }
}
