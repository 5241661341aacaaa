//! Whole flows over HTTP, in memory: a signed-in user who agreed before is sent to `/authorize`, the client redeems the code and
//! refreshes. The floor is axum with three hash maps and no checks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use http::header::LOCATION;
use http::{StatusCode, Uri};
use oauth_core::{OsEntropy, Secret, Stores, random};
use oauth_providers::OwnerPassphrase;
use oauth_testing::{Browser, Client, InProcess, Person};

use benches::client::{Connections, between};
use benches::fixture::{ISSUER, RESOURCE, authorize_path, issuing, redeeming, refreshing};
use benches::served::{Rate, Served, rows};
use benches::table::Row;

const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_millis(1000);
const ROUNDS: usize = 9;
const REDIRECT: &str = "https://app.example/cb";
const PASSPHRASE: &str = "correct horse battery staple";

pub(crate) fn measure() -> Vec<Row> {
    let bare = Served::start(|_| async { maps() });
    let (tell, told) = std::sync::mpsc::channel();
    let ours = Served::start(move |_| async move {
        let (router, cookies) = signed_in(&Stores::memory()).await;
        tell.send(cookies).expect("somebody waits");
        router
    });
    let cookies = told.recv().expect("the owner signs in");

    let mut connections = [&bare, &ours].map(|server| Connections::open(server.address, CONNECTIONS));
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let mut rates = [Rate { by_clock: 0.0, by_core: 0.0 }; 2];
        for turn in 0..2 {
            let which = (round + turn) % 2;
            rates[which] = Rate::of([&bare, &ours][which], || flows(&mut connections[which], &cookies));
        }
        // The first one warms up.
        if round > 0 {
            rounds.push(rates);
        }
    }
    rows("whole flows, in memory", Some(60.0), &rounds)
}

/// A server, and the cookies of its owner's browser, who has signed in and agreed.
async fn signed_in(stores: &Stores) -> (Router, String) {
    let owner = OwnerPassphrase::with_passphrase(stores, &Secret::new(PASSPHRASE.to_owned()), &OsEntropy)
        .await
        .expect("the store has room");
    let server = issuing(stores).sign_in_with(owner).build().await.expect("the configuration is one");
    let router = Router::new().fallback_service(server);
    let wire = InProcess::new(router.clone());
    let mut browser = Browser::new(wire.clone());
    let client = Client::new(wire, RESOURCE).expect("it is a resource").with_redirect_uri(REDIRECT);
    let url = format!("{ISSUER}{}", authorize_path()).parse().expect("it is a url");
    let callback = Person::new(PASSPHRASE)
        .answer(&mut browser, &client, &url)
        .await
        .expect("the owner signs in and agrees");
    assert!(callback.code().is_ok());
    let cookies: Vec<String> =
        browser.cookies().iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    (router, cookies.join("; "))
}

/// How many flows came to their end.
fn flows(connections: &mut Connections, cookies: &str) -> u32 {
    let authorize = format!(
        "GET {} HTTP/1.1\r\nhost: mcp.example\r\naccept: text/html\r\ncookie: {cookies}\r\n\r\n",
        authorize_path()
    );
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        connections.ask(
            |_, bytes| bytes.extend_from_slice(authorize.as_bytes()),
            |kept, answer| *kept = taken(answer, b"code=", b'&'),
        );
        for step in [redeeming, refreshing] {
            connections.ask(
                |kept, bytes| post_form(bytes, &step(kept)),
                |kept, answer| *kept = taken(answer, b"\"refresh_token\":\"", b'"'),
            );
        }
        done += u32::try_from(CONNECTIONS).expect("they are few");
    }
    done
}

fn taken(answer: &[u8], start: &[u8], end: u8) -> String {
    between(answer, start, end).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(answer))).to_owned()
}

fn post_form(bytes: &mut Vec<u8>, form: &str) {
    let head = "POST /token HTTP/1.1\r\nhost: mcp.example\r\ncontent-type: application/x-www-form-urlencoded\r\naccept: application/json\r\ncontent-length:";
    bytes.extend(format!("{head} {}\r\n\r\n{form}", form.len()).into_bytes());
}

/// The floor: codes, access tokens and refresh tokens, each in a hash map.
#[derive(Default)]
struct Maps {
    codes: HashMap<String, String>,
    access: HashMap<String, String>,
    refresh: HashMap<String, String>,
}

fn maps() -> Router {
    let maps = Arc::new(Mutex::new(Maps::default()));
    let codes = maps.clone();
    let authorize = move |uri: Uri| async move {
        let query = read(uri.query().unwrap_or_default().as_bytes());
        let code = secret();
        let location = format!("{}?code={code}&state={}", query["redirect_uri"], query["state"]);
        lock(&codes).codes.insert(code, query["client_id"].clone());
        (StatusCode::FOUND, [(LOCATION, location)])
    };
    let token = move |body: Bytes| async move {
        let form = read(&body);
        let mut maps = lock(&maps);
        let client = match form.get("code") {
            Some(code) => maps.codes.remove(code),
            None => maps.refresh.remove(&form["refresh_token"]),
        };
        let client = client.unwrap_or_default();
        let (access, refresh) = (secret(), secret());
        let json = format!(
            r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":600,"refresh_token":"{refresh}"}}"#
        );
        maps.access.insert(access, client.clone());
        maps.refresh.insert(refresh, client);
        ([(http::header::CONTENT_TYPE, "application/json")], json)
    };
    Router::new().route("/authorize", get(authorize)).route("/token", post(token))
}

fn lock(maps: &Mutex<Maps>) -> std::sync::MutexGuard<'_, Maps> {
    maps.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(form: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(form).into_owned().collect()
}

fn secret() -> String {
    random::<32>(&OsEntropy).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
