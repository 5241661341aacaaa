//! Over HTTP: a protected no-op against axum alone, and a ping of an rmcp server with and without the layers.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use axum::routing::post;
use futures::executor::block_on;
use http_body_util::BodyExt as _;
use oauth_core::{CredentialKind, Stores};
use rmcp::ServerHandler;
use rmcp::model::ServerConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower::Layer as _;
use tower::util::MapResponseLayer;

use benches::client::{Connections, value};
use benches::fixture::{CALL, bearer, credential_in, protected};
use benches::served::{Rate, Served, rows};
use benches::table::Row;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 151;
// Short ones: what else goes on in the machine is then the same in two that are compared.
const TURN: Duration = Duration::from_millis(90);

pub(crate) fn measure() -> Vec<Row> {
    let stores = Stores::memory();
    let token = block_on(credential_in(&stores, CredentialKind::AccessToken));
    let resource = protected(&stores);

    // The very same handler: by itself, behind the bearer layer, and behind all of them.
    let handler = || post(|_: Bytes| async { "ok" });
    let bare = Served::start(move |_| async move { Router::new().route("/mcp", handler()) });
    let (alone, no_ops, pings) = (bearer(&stores), resource.layer(), resource.layer());
    let alone = Served::start(move |_| async move { Router::new().route("/mcp", handler().layer(alone)) });
    // What axum itself takes for any layer whose answers have a body of its own.
    let nothing = MapResponseLayer::new(|answer: Response| answer.map(|body| body.map_err(|error| error)));
    let through =
        Served::start(move |_| async move { Router::new().route("/mcp", handler().layer(nothing)) });
    let whole =
        Served::start(move |_| async move { Router::new().route_service("/mcp", no_ops.layer(handler())) });
    let open_to =
        |servers: [&Served; 2]| servers.map(|server| Connections::open(server.address, CONNECTIONS));
    let mut rows = Vec::new();
    for (what, limit, server) in [
        ("a no-op behind a layer that does nothing", None, &through),
        ("a no-op behind RequireBearer", Some(95.0), &alone),
        ("a no-op behind all layers, its body read twice", None, &whole),
    ] {
        rows.extend(compare(what, limit, [&bare, server], open_to([&bare, server]), &token, CALL));
    }

    let open = Served::start(|_| async { Router::new().route_service("/mcp", mcp()) });
    let guarded = Served::start(|_| async move { Router::new().route_service("/mcp", pings.layer(mcp())) });
    let sessions = [&open, &guarded].map(|server| sessions(server, &token));
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    rows.extend(compare(
        "an rmcp ping behind all layers",
        Some(97.0),
        [&open, &guarded],
        sessions,
        &token,
        ping,
    ));
    rows
}

#[derive(Clone)]
struct Nothing;

impl ServerHandler for Nothing {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::default()
    }
}

fn mcp() -> StreamableHttpService<Nothing, LocalSessionManager> {
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    StreamableHttpService::new(|| Ok(Nothing), Arc::new(LocalSessionManager::default()), config)
}

fn request(bytes: &mut Vec<u8>, token: &str, session: &str, body: &str) {
    let session = if session.is_empty() { String::new() } else { format!("mcp-session-id: {session}\r\n") };
    let written = write!(
        bytes,
        "POST /mcp HTTP/1.1\r\nhost: mcp.example\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{session}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    written.expect("memory does not fail");
}

/// Connections with a session each.
fn sessions(server: &Served, token: &str) -> Connections {
    let mut connections = Connections::open(server.address, CONNECTIONS);
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
    connections.ask(
        |_, bytes| request(bytes, token, "", initialize),
        |kept, answer| *kept = value(answer, b"mcp-session-id: ").expect("a session is opened").to_owned(),
    );
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    connections.ask(|kept, bytes| request(bytes, token, kept, initialized), |_, _| {});
    connections
}

fn compare(
    what: &str,
    limit: Option<f64>,
    servers: [&Served; 2],
    mut connections: [Connections; 2],
    token: &str,
    body: &str,
) -> Vec<Row> {
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let mut rates = [Rate { by_clock: 0.0, by_core: 0.0 }; 2];
        for turn in 0..2 {
            let which = (round + turn) % 2;
            rates[which] = Rate::of(servers[which], || flood(&mut connections[which], token, body));
        }
        // The first one warms up.
        if round > 0 {
            rounds.push(rates);
        }
    }
    rows(what, limit, &rounds)
}

fn flood(connections: &mut Connections, token: &str, body: &str) -> u32 {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        connections.ask(
            |kept, bytes| request(bytes, token, kept, body),
            |_, answer| assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer)),
        );
        done += u32::try_from(CONNECTIONS).expect("they are few");
    }
    done
}
