//! A third party on a socket of its own: an authorization server that knows one client, and the API that its tokens are for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use oauth_core::fetch::{FetchPolicy, GuardedFetch};
use oauth_core::{CodeChallenge, CodeVerifier, ConnectedAccounts, SealedVault, Secret, Stores, VaultKeyring};
use oauth_providers::OAuthConnection;
use oauth_testing::{Tcp, Wire as _};
use serde_json::{Value, json};
use url::Url;

use crate::host::ORIGIN;

pub(crate) const SECRET: &str = "the secret of our client at the third party";
type Pairs = HashMap<String, String>;

/// How it behaves; each can be changed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Honest,
    /// Its user says no, and it says so in words of its own.
    Denies,
    /// It answers in another's name.
    LiesAboutIssuer,
    OmitsIssuer,
    /// Its token endpoint is down.
    Down,
}

#[derive(Clone)]
pub(crate) struct ThirdParty {
    pub(crate) origin: String,
    state: Arc<Mutex<Known>>,
}

struct Known {
    mood: Mood,
    origin: String,
    codes: HashMap<String, (CodeChallenge, String)>,
    /// All secrets that it gave away.
    issued: Vec<String>,
}

impl ThirdParty {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let known =
            Known { mood: Mood::Honest, origin: origin.clone(), codes: HashMap::new(), issued: Vec::new() };
        let state = Arc::new(Mutex::new(known));
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/whoami", get(whoami))
            .with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, state }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap()
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.known().mood = mood;
    }

    /// All codes and tokens so far.
    pub(crate) fn issued(&self) -> Vec<String> {
        self.known().issued.clone()
    }

    /// The accounts there, as a host sets them up.
    pub(crate) fn accounts(&self, id: &str, stores: &Stores) -> ConnectedAccounts {
        let fetch = GuardedFetch::new(FetchPolicy::new().insecure_allow_loopback()).unwrap();
        let connection = OAuthConnection::builder(id, "Tracker")
            .issuer(&self.origin)
            .client("our-client", Secret::new(SECRET.to_owned()))
            .scopes("issues:read")
            .fetch(Arc::new(fetch))
            .build()
            .unwrap();
        let keys = VaultKeyring::new("2026-11", &[7; 32]).unwrap();
        ConnectedAccounts::new(
            ORIGIN.parse().unwrap(),
            connection,
            SealedVault::new(stores.vault.clone(), keys),
        )
    }

    /// A browser is sent there, and `who` permits it. Where it is sent back to.
    pub(crate) async fn permits(&self, departure: &Url, who: &str) -> Url {
        let mut url = departure.clone();
        url.query_pairs_mut().append_pair("who", who);
        let request = http::Request::get(url.as_str()).body(Bytes::new()).unwrap();
        let answer = Tcp::new().send(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.body());
        answer.headers()["location"].to_str().unwrap().parse().unwrap()
    }

    /// Whom its API takes the bearer of this token for.
    pub(crate) async fn knows(&self, token: &str) -> Option<String> {
        let request = http::Request::get(format!("{}/whoami", self.origin))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap();
        let answer = Tcp::new().send(request).await.unwrap();
        (answer.status() == StatusCode::OK).then(|| String::from_utf8_lossy(answer.body()).into_owned())
    }
}

type Shared = State<Arc<Mutex<Known>>>;

async fn metadata(State(known): Shared) -> Json<Value> {
    let origin = known.lock().unwrap().origin.clone();
    Json(json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn authorize(State(known): Shared, Query(asked): Query<Pairs>) -> Response {
    let mut known = known.lock().unwrap();
    let is_right = asked["client_id"] == "our-client"
        && asked["response_type"] == "code"
        && asked["scope"] == "issues:read"
        && asked["code_challenge_method"] == "S256";
    if !is_right {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let mut back: Url = asked["redirect_uri"].parse().unwrap();
    back.query_pairs_mut().append_pair("state", &asked["state"]);
    if known.mood != Mood::OmitsIssuer {
        let iss = if known.mood == Mood::LiesAboutIssuer { "https://evil.example" } else { &known.origin };
        back.query_pairs_mut().append_pair("iss", iss);
    }
    if known.mood == Mood::Denies {
        let words = "<script>alert(1)</script>\r\nno";
        back.query_pairs_mut().append_pair("error", "access_denied").append_pair("error_description", words);
    } else {
        let code = format!("code-{}-{}", known.issued.len(), asked["who"]);
        let challenge = asked["code_challenge"].parse().unwrap();
        known.codes.insert(code.clone(), (challenge, asked["redirect_uri"].clone()));
        back.query_pairs_mut().append_pair("code", &code);
        known.issued.push(code);
    }
    Redirect::to(back.as_str()).into_response()
}

async fn token(State(known): Shared, headers: HeaderMap, body: String) -> Response {
    use base64::Engine as _;
    let form: Pairs = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut known = known.lock().unwrap();
    if known.mood == Mood::Down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let encoded: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("our-client:{encoded}"));
    if headers.get("authorization").is_none_or(|value| value.as_bytes() != format!("Basic {pair}").as_bytes())
    {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let spent = form.get("code").and_then(|code| known.codes.remove(code));
    let who = match spent {
        Some((challenge, redirect_uri))
            if redirect_uri == form["redirect_uri"]
                && challenge.is_met_by(&CodeVerifier::parse(&form["code_verifier"]).unwrap()) =>
        {
            form["code"].rsplit('-').next().unwrap().to_owned()
        }
        _ => return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response(),
    };
    let (access, refresh) = (format!("tracker-access-{who}"), format!("tracker-refresh-{who}"));
    known.issued.extend([access.clone(), refresh.clone()]);
    Json(json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh }))
        .into_response()
}

async fn whoami(headers: HeaderMap) -> Response {
    let token = headers["authorization"].to_str().unwrap().to_owned();
    match token.strip_prefix("Bearer tracker-access-") {
        Some(who) => who.to_owned().into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}
