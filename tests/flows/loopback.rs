//! On the user's own machine: http on loopback, over a socket, as a personal server runs.

use axum::Router;
use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_resource::{ProtectedResource, ScopeRules, WELL_KNOWN};
use oauth_server::{AuthorizationServer, OfferedScope};
use oauth_testing::{Browser, Client, Person, Site, Tcp, Visit, Wire as _};
use tokio::net::TcpListener;
use tower_layer::Layer as _;

/// Serves a whole site at a port of the day; its origin.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mcp = format!("{origin}/mcp");
    let stores = Stores::memory();
    let passphrase = Secret::new(Site::PASSPHRASE.to_owned());
    let owner = OwnerPassphrase::with_passphrase(&stores, &passphrase, &OsEntropy).await.unwrap();
    let server = AuthorizationServer::builder(&origin, stores.clone())
        .resource(&mcp)
        .scope(OfferedScope::new("notes:read", "Read your notes"))
        .sign_in_with(owner)
        .build()
        .await
        .unwrap();
    let resource = ProtectedResource::builder(&mcp, &origin)
        .scopes(ScopeRules::builder("notes:read"))
        .stores(&stores)
        .build()
        .unwrap();
    let tools = Router::new().fallback(|| async { r#"{"jsonrpc":"2.0","id":1,"result":{}}"# });
    let app = Router::new()
        .route_service("/mcp", resource.layer().layer(tools))
        .route_service(&format!("{WELL_KNOWN}/{{*resource}}"), resource.metadata())
        .fallback_service(server);
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

#[tokio::test]
async fn a_personal_server_on_loopback_goes_the_whole_way_over_a_socket() {
    // AS-5, AS-75: http is for this machine alone, and its cookies say that they are weaker.
    let origin = serve().await;
    let client = Client::new(Tcp::new(), &format!("{origin}/mcp")).unwrap();
    let found = client.discover().await.unwrap();
    let registration = client.register(&found, &client.registration()).await.unwrap();
    // Safari keeps no `Secure` cookie of http: none may be needed.
    for browser in [Browser::new(Tcp::new()), Browser::new(Tcp::new()).with_strict_loopback()] {
        let person = Person::new(Site::PASSPHRASE);
        let (client, found, registration) = (client.clone(), found.clone(), registration.clone());
        let mut visit = Visit { client, found, registration, browser, person };
        let tokens = visit.connect().await.unwrap();
        visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
        for cookie in visit.browser.cookies() {
            assert!(cookie.name.starts_with("insecure-oauth-") && !cookie.secure, "{}", cookie.name);
        }
        let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
        visit.send(&visit.revoke(&refreshed.access_token).unwrap()).await.unwrap();
        assert_eq!(visit.call_tool(&refreshed, "list_notes").await.unwrap().http.status, 401);
    }
}

#[tokio::test]
async fn a_page_of_the_web_that_points_its_name_at_this_machine_reaches_nothing() {
    // DNS rebinding: the guard asks for the name before anything else does.
    let origin = serve().await;
    let address = origin.strip_prefix("http://").unwrap().parse().unwrap();
    let wire = Tcp::to(address);
    let request = http::Request::post("http://rebound.example/mcp").body(bytes::Bytes::new()).unwrap();
    assert_eq!(wire.send(request).await.unwrap().status(), 403);
}
