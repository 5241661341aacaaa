//! A hundred thousand clients and as many live tokens in memory: what each takes, whether the crowd slows anything down, and whether
//! the memory comes back.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use oauth_core::{Clock, Stores, Timestamp};
use oauth_server::AuthorizationServer;
use tower::ServiceExt as _;

use benches::client::between;
use benches::fixture::{authorize_path, issuing, redeeming, refresh};
use benches::rounds::{Compared, by_turns};
use benches::table::Row;

use crate::ALLOCATOR;

const FEW: u32 = 1_000;
const MANY: u32 = 100_000;
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn measure() -> Vec<Row> {
    let mut rows = clients();
    rows.extend(tokens());
    rows
}

fn clients() -> Vec<Row> {
    let many = Host::start();
    let before = in_use();
    many.register(0..MANY);
    let taken = in_use() - before;
    let few = Host::start();
    few.register(0..FEW);
    let next = Cell::new(MANY);
    let some = || next.replace(next.get() + FEW)..next.get();
    let speed = by_turns(9, || few.register(some()), || many.register(some()));
    drop(few);
    let kept = many.freed(Duration::from_secs(3 * 86_400), before);
    rows("a client", taken, MANY, 700.0, &speed, kept)
}

fn tokens() -> Vec<Row> {
    let many = Host::start();
    let before = in_use();
    let mut many_held = many.sign_in(MANY);
    // The codes have ended; every session has an access token and a refresh token.
    many.purge(START + Duration::from_secs(120));
    let taken = in_use() - before - held(&many_held);
    let few = Host::start();
    let mut few_held = few.sign_in(FEW);
    let speed = by_turns(9, || few.refresh(&mut few_held), || many.refresh(&mut many_held));
    drop((few, few_held, many_held));
    let kept = many.freed(Duration::from_secs(400 * 86_400), before);
    rows("a live token", taken, 2 * MANY, 500.0, &speed, kept)
}

fn rows(what: &str, taken: f64, count: u32, limit: f64, speed: &Compared, kept: f64) -> Vec<Row> {
    let each = taken / f64::from(count);
    let detail = format!("{count} of them");
    let rates = format!("{:.0}/s at 10^5, {:.0}/s at 10^3", speed.ours, speed.floor);
    vec![
        Row::at_most(format!("{what}, in memory"), each, limit, "bytes", &detail),
        Row::at_least(format!("{what}: rate at 10^5 of that at 10^3"), speed.percent, 90.0, &rates),
        Row::at_most(format!("{what}: kept after all have ended"), 100.0 * kept / taken, 5.0, "%", ""),
    ]
}

/// What is allocated and not freed, in bytes.
pub(crate) fn in_use() -> f64 {
    let stats = ALLOCATOR.stats();
    // `bytes_reallocated` is what growing and shrinking added, all in all: it is in the other two already.
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

/// What the bench itself keeps of the tokens.
fn held(tokens: &Vec<String>) -> f64 {
    let texts: usize = tokens.iter().map(String::capacity).sum();
    (texts + tokens.capacity() * size_of::<String>()) as f64
}

/// A server over a store in memory, on a clock that is set, and a thread to ask it on.
struct Host {
    server: AuthorizationServer,
    stores: Stores,
    clock: Hand,
    runtime: tokio::runtime::Runtime,
}

/// A clock that is set.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Host {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a thread can have a runtime");
        let stores = Stores::memory();
        let clock = Hand(Arc::new(AtomicU64::new(START.as_millis())));
        let server = issuing(&stores).insecure_approve_all("owner").clock(clock.clone()).build();
        let server = runtime.block_on(server).expect("the configuration is one");
        Self { server, stores, clock, runtime }
    }

    fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Bytes> {
        self.runtime.block_on(async {
            let Ok(response) = self.server.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            let Ok(body) = body.collect().await;
            http::Response::from_parts(head, body.to_bytes())
        })
    }

    /// Registers clients, each another; how many in a second.
    fn register(&self, numbers: std::ops::Range<u32>) -> f64 {
        let (began, count) = (Instant::now(), numbers.len());
        for number in numbers {
            let metadata = format!(
                r#"{{"client_name":"Code Editor ({number})","redirect_uris":["http://localhost:33418/callback","https://editor.example/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","client_uri":"https://editor.example"}}"#
            );
            let request = Request::post("/register").header("content-type", "application/json");
            let response = self.send(request.body(metadata.into()).expect("its parts are valid"));
            assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        }
        count as f64 / began.elapsed().as_secs_f64()
    }

    /// Goes through as many flows; their refresh tokens.
    fn sign_in(&self, count: u32) -> Vec<String> {
        let mut held = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let response =
                self.send(Request::get(authorize_path()).body(Full::default()).expect("it is a path"));
            let location = response.headers()["location"].as_bytes();
            let code = between(location, b"code=", b'&').expect("whoever asks is the owner and agrees");
            let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
            let response = self.send(request.body(redeeming(code).into()).expect("its parts are valid"));
            let token = between(response.body(), b"\"refresh_token\":\"", b'"').expect("the code is good");
            held.push(token.to_owned());
        }
        held
    }

    /// Refreshes a thousand tokens, far apart; how many in a second.
    fn refresh(&self, held: &mut [String]) -> f64 {
        let step = held.len() / FEW as usize;
        let began = Instant::now();
        for token in held.iter_mut().step_by(step) {
            *token = self.runtime.block_on(refresh(&self.server, token, self.clock.now()));
        }
        f64::from(FEW) / began.elapsed().as_secs_f64()
    }

    fn purge(&self, now: Timestamp) {
        self.clock.0.store(now.as_millis(), Ordering::Relaxed);
        self.runtime.block_on(self.stores.purge(now)).expect("memory does not fail");
    }

    /// How much more than `before` is in use once everything has ended, and the memory was swept.
    fn freed(&self, after: Duration, before: f64) -> f64 {
        self.purge(START + after);
        in_use() - before
    }
}
