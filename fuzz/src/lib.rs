//! What the targets that speak HTTP share: a server over a store in memory, and a thread to ask it on.

pub mod oracle;

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use oauth_core::fetch::StaticFetch;
use oauth_core::{Clock, Stores, Timestamp};
use oauth_server::{AuthorizationServer, Limits, OfferedScope};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// Who issues.
pub const ISSUER: &str = "https://as.example";
/// Where the configured clients are redirected to.
pub const REDIRECTS: [&str; 3] =
    ["https://app.example/cb", "https://app.example/cb?tenant=1", "http://127.0.0.1/cb"];

const CLIENTS: &str = r#"[
    {"client_id":"app","client_name":"App","redirect_uris":["https://app.example/cb","https://app.example/cb?tenant=1","http://127.0.0.1/cb"]},
    {"client_id":"gate way","client_name":"Gateway","redirect_uris":["https://app.example/cb"],"client_secret":"s3cret & 100% + more"}
]"#;

/// After so many questions the server begins anew, so that its store does not fill up.
const LIFETIME: u32 = 4096;

thread_local! {
    static SERVER: RefCell<Option<(Runtime, AuthorizationServer, u32)>> = const { RefCell::new(None) };
}

/// Asks the server.
pub fn ask(request: Request<Bytes>) -> Response<Bytes> {
    SERVER.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(_, _, asked)| *asked >= LIFETIME) {
            let runtime = runtime();
            let server = runtime.block_on(server());
            *kept = Some((runtime, server, 0));
        }
        let (runtime, server, asked) = kept.as_mut().expect("made above");
        *asked += 1;
        runtime.block_on(async {
            let Ok(response) = server.clone().oneshot(request.map(Full::new)).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a body in memory does not break").to_bytes();
            Response::from_parts(head, body)
        })
    })
}

/// What async code runs on.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a thread can have a runtime")
}

async fn server() -> AuthorizationServer {
    let mut limits = Limits::insecure_unlimited();
    limits.wrong_secret = limits.token_total;
    AuthorizationServer::builder(ISSUER, Stores::memory())
        .resource("https://mcp.example/mcp")
        .scope(OfferedScope::new("notes:read", "Read your notes"))
        .scope(OfferedScope::new("notes:delete", "Delete notes").on_request())
        .clients_json(CLIENTS)
        .client_documents(Arc::new(StaticFetch::new()))
        .limits(limits)
        .clock(Standing)
        .insecure_approve_all("owner")
        .build()
        .await
        .expect("the configuration is one")
}

/// Time does not pass: what was found can be found again.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }
}
