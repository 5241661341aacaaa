//! What a live session takes of a database: a browser's sign-in, the grant, and the tokens in use.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use oauth_core::{Clock as _, OsEntropy, Session, Stores, SystemClock, TokenHash, random};
use oauth_server::AuthorizationServer;
use oauth_stores::SqliteStore;
use tower::ServiceExt as _;

use benches::client::between;
use benches::fixture::{authorize_path, issuing, redeeming};
use benches::table::Row;

const SESSIONS: u32 = 10_000;
/// At once, so that they share transactions.
const CALLERS: u32 = 50;

pub(crate) fn measure() -> Vec<Row> {
    let folder = tempfile::tempdir_in(".").expect("the folder can be written");
    let path = folder.path().join("sessions.sqlite");
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(async {
        drop(server(&Stores::new(SqliteStore::open(&path).expect("the file is new"))).await);
    });
    let before = size(&path);
    runtime.block_on(sign_in(&path));
    let bytes = (size(&path) - before) / f64::from(SESSIONS);
    vec![Row::at_most(
        "a live session, in the database",
        bytes,
        2000.0,
        "bytes",
        "10,000 sign-ins, flows and tokens",
    )]
}

/// The file's size, once the last connection was closed and the log is in it.
fn size(path: &Path) -> f64 {
    std::fs::metadata(path).expect("the file is there").len() as f64
}

async fn sign_in(path: &Path) {
    let stores = Stores::new(SqliteStore::open(path).expect("the file is one"));
    let server = server(&stores).await;
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (server, sessions) = (server.clone(), stores.sessions.clone());
            tokio::spawn(async move {
                let send = |request: Request<Full<Bytes>>| {
                    let server = server.clone();
                    async move {
                        let Ok(response) = server.oneshot(request).await;
                        response
                    }
                };
                for _ in 0..SESSIONS / CALLERS {
                    let now = SystemClock.now();
                    let session = Session {
                        key: TokenHash::from_bytes(random(&OsEntropy)),
                        subject: "owner".parse().expect("it is a subject"),
                        auth_time: now,
                        expires_at: now + Duration::from_secs(43_200),
                    };
                    sessions.begin(&session).await.expect("the store has room");
                    let request = Request::get(authorize_path()).body(Full::default()).expect("it is a path");
                    let response = send(request).await;
                    let location = response.headers()["location"].as_bytes();
                    let code =
                        between(location, b"code=", b'&').expect("whoever asks is the owner and agrees");
                    let request =
                        Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
                    let response =
                        send(request.body(redeeming(code).into()).expect("its parts are valid")).await;
                    let Ok(body) = response.into_body().collect().await;
                    assert!(between(&body.to_bytes(), b"\"refresh_token\":\"", b'"').is_some());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller ends");
    }
    let in_time = SystemClock.now() + Duration::from_secs(61);
    stores.purge(in_time).await.expect("the store answers");
}

async fn server(stores: &Stores) -> AuthorizationServer {
    issuing(stores).insecure_approve_all("owner").build().await.expect("the configuration is one")
}
