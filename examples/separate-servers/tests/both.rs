//! A client signs in at one server and calls a tool of the other, over sockets.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

use axum::Router;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_testing::{Browser, Client, Person, Site, Tcp, Tokens, Visit};
use separate_servers::{Offer, authorization_server, embedded, mcp_server};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn serve(listener: TcpListener, app: Router) {
    hosting::serve(listener, app, CancellationToken::new()).await;
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

async fn owner(stores: &Stores) -> OwnerPassphrase {
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    OwnerPassphrase::with_passphrase(stores, &passphrase, &OsEntropy).await.unwrap()
}

async fn visit(mcp: &str) -> Visit {
    let client = Client::new(Tcp::new(), mcp).unwrap();
    Visit::arrive(client, Browser::new(Tcp::new()), Person::new(Site::PASSPHRASE)).await.unwrap()
}

async fn add(visit: &Visit, tokens: Option<&Tokens>, a: i64) -> (u16, String) {
    let mut mcp = visit.client.mcp();
    let bearer = tokens.map(|tokens| tokens.access_token.as_str());
    mcp.connect(bearer).await.ok();
    let answer = mcp.call_tool(bearer, "add", json!({ "a": a, "b": 1 })).await.unwrap();
    let challenge =
        answer.http.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let text = answer.message.map(|message| message.to_string()).or(challenge).unwrap_or_default();
    (answer.http.status.as_u16(), text)
}

/// From nothing to a call, to a scope that depends on the arguments.
async fn goes_the_whole_way(mcp: &str) -> (Visit, Tokens) {
    let mut visit = visit(mcp).await;
    assert_eq!(add(&visit, None, 1).await.0, 401);
    let tokens = visit.connect().await.unwrap();
    let (status, text) = add(&visit, Some(&tokens), 41).await;
    assert!(status == 200 && text.contains("42"), "{status} {text}");
    // The tool found out that this needs more, and the client is told what to ask for.
    let (status, challenge) = add(&visit, Some(&tokens), 5_000_000).await;
    assert_eq!(status, 403, "{challenge}");
    assert!(
        challenge.contains(r#"error="insufficient_scope""#)
            && challenge.contains(r#"scope="calc:big calc:use""#),
        "{challenge}"
    );
    let (request, pkce) = visit.request().unwrap();
    let more = visit.connect_by(&request.set("scope", "calc:big calc:use"), &pkce).await.unwrap();
    let (status, text) = add(&visit, Some(&more), 5_000_000).await;
    assert!(status == 200 && text.contains("5000001"), "{status} {text}");
    (visit, tokens)
}

#[tokio::test]
async fn two_servers_are_joined_by_introspection() {
    // RS-69, RS-72
    let ((as_listener, issuer), (mcp_listener, origin)) = (listen().await, listen().await);
    let mcp = format!("{origin}/mcp");
    let (secret, stores) = (Secret::generate(&OsEntropy), Stores::memory());
    let owner = owner(&stores).await;
    let server = authorization_server(&issuer, &mcp, &secret, Offer::default(), stores, owner).await.unwrap();
    let authorization = tokio::spawn(serve(as_listener, Router::new().fallback_service(server)));
    tokio::spawn(serve(mcp_listener, mcp_server(&mcp, &issuer, &secret).unwrap()));

    let (mut visit, tokens) = goes_the_whole_way(&mcp).await;
    let unseen = visit.connect().await.unwrap();
    // The authorization server is gone: who was seen lately goes on, whoever else is told to come back.
    authorization.abort();
    let _ = authorization.await;
    assert_eq!(add(&visit, Some(&tokens), 1).await.0, 200);
    assert_eq!(add(&visit, Some(&unseen), 1).await.0, 503);
}

#[tokio::test]
async fn a_server_with_another_secret_lets_nobody_in() {
    // RS-69: what the issuer does not answer is no answer.
    let ((as_listener, issuer), (mcp_listener, origin)) = (listen().await, listen().await);
    let mcp = format!("{origin}/mcp");
    let stores = Stores::memory();
    let owner = owner(&stores).await;
    let secret = Secret::generate(&OsEntropy);
    let server = authorization_server(&issuer, &mcp, &secret, Offer::default(), stores, owner).await.unwrap();
    tokio::spawn(serve(as_listener, Router::new().fallback_service(server)));
    tokio::spawn(serve(mcp_listener, mcp_server(&mcp, &issuer, &Secret::generate(&OsEntropy)).unwrap()));
    let mut visit = visit(&mcp).await;
    let tokens = visit.connect().await.unwrap();
    assert_eq!(add(&visit, Some(&tokens), 1).await.0, 503);
}

#[tokio::test]
async fn the_address_may_be_written_in_any_way() {
    // RS-2, RS-5
    for (path, there) in [("", "/"), ("/mcp/", "/mcp"), ("/a/b", "/a/b")] {
        let ((as_listener, issuer), (mcp_listener, origin)) = (listen().await, listen().await);
        let mcp = format!("{}{path}", origin.replace("http:", "HTTP:"));
        let (secret, stores) = (Secret::generate(&OsEntropy), Stores::memory());
        let owner = owner(&stores).await;
        let server =
            authorization_server(&issuer, &mcp, &secret, Offer::default(), stores, owner).await.unwrap();
        tokio::spawn(serve(as_listener, Router::new().fallback_service(server)));
        tokio::spawn(serve(mcp_listener, mcp_server(&mcp, &issuer, &secret).unwrap()));
        goes_the_whole_way(&format!("{origin}{there}")).await;
        // LIM-7
        let nothing = visit(&format!("{origin}{there}")).await.client;
        let nothing = nothing.fetch(&format!("{origin}/nothing").parse().unwrap()).await.unwrap();
        assert_eq!((nothing.status.as_u16(), nothing.error()), (404, Some("not_found")));
    }
}

#[tokio::test]
async fn one_server_does_the_same() {
    let (listener, origin) = listen().await;
    let stores = Stores::memory();
    let owner = owner(&stores).await;
    let app = embedded(&origin, stores, owner).await.unwrap();
    tokio::spawn(serve(listener, app));
    let (visit, tokens) = goes_the_whole_way(&format!("{origin}/mcp")).await;
    visit.send(&visit.revoke(&tokens.access_token).unwrap()).await.unwrap();
    assert_eq!(add(&visit, Some(&tokens), 1).await.0, 401);
}

#[tokio::test]
async fn the_database_is_a_file_or_a_url_and_a_wrong_one_is_told_in_a_line() {
    let folder = std::env::temp_dir().join(format!("separate-servers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("oauth.sqlite").display().to_string();
    for database in [path.clone(), format!("sqlite://{path}"), "memory:".to_owned()] {
        assert!(hosting::open(&database).await.is_ok(), "{database}");
    }
    for database in ["redis:me:s3cret", "host=db password=s3cret", "mysql://me:s3cret@db/oauth"] {
        let error = hosting::open(database).await.unwrap_err().to_string();
        assert!(error.contains("cannot open") && !error.contains("s3cret"), "{error}");
    }
    let error = hosting::open("a=b").await.unwrap_err().to_string();
    assert!(error.contains("write ./"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
    // As a program: one line, and no success.
    for program in [env!("CARGO_BIN_EXE_authorization-server"), env!("CARGO_BIN_EXE_embedded")] {
        let run = std::process::Command::new(program)
            .args(["--database", "mysql://me:s3cret@db/oauth"])
            .args(if program.ends_with("embedded") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .output()
            .unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("s3cret"), "{said}");
        // Its port is fixed, and somebody may have it.
        assert!(said.contains("no store has the scheme `mysql`") || said.contains("cannot listen"), "{said}");
    }
}
