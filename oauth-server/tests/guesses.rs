//! Wrong client secrets: guesses from many addresses are held up, and nobody locks a client out by its name (CAUTH-18).

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::Method;
use oauth_core::testing::FixedClock;
use oauth_core::{LimitKey, Quota, RateLimiter, StoreError, Stores, Timestamp, Verdict, async_trait};
use oauth_server::{AuthorizationServer, Limits, PeerAddress};
use support::{Heard, basic, builder, request, send};

const RIGHT: &str = "correct-horse-battery";
const DAY: Duration = Duration::from_secs(86_400);

struct World {
    server: AuthorizationServer,
    stores: Stores,
    clock: FixedClock,
    heard: Heard,
}

impl World {
    async fn new() -> Self {
        let (stores, clock, heard) = (Stores::memory(), FixedClock::default(), Heard::default());
        let server = Self::server(&stores, &clock, &heard).await;
        Self { server, stores, clock, heard }
    }

    async fn server(stores: &Stores, clock: &FixedClock, heard: &Heard) -> AuthorizationServer {
        let mut limits = Limits::default();
        limits.wrong_secret = Quota::new(3, Duration::from_secs(60));
        limits.wrong_secret_client = Quota::new(10, Duration::from_secs(3600));
        builder(stores.clone(), clock).limits(limits).events(heard.clone()).build().await.unwrap()
    }

    /// The status of an attempt to authenticate: 400 once the client is known, for there is no such token.
    async fn tries(&self, client: &str, secret: &str, source: &str) -> u16 {
        let form = "grant_type=refresh_token&refresh_token=mcp_rt_none";
        let basic = basic(client, secret);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &*basic)];
        let mut posted = request(Method::POST, "/token", &headers, form);
        posted.extensions_mut().insert(PeerAddress(source.parse().unwrap()));
        send(&self.server, posted).await.status.as_u16()
    }

    /// How many guesses from addresses of their own are compared, of `most`.
    async fn guesses(&self, client: &str, most: u16) -> usize {
        let mut compared = 0;
        for at in 0..most {
            let source = format!("203.0.{}.{}", at / 250, 1 + at % 250);
            compared +=
                usize::from(self.tries(client, &format!("guess number {at} of many"), &source).await == 401);
        }
        compared
    }
}

#[tokio::test]
async fn many_addresses_guess_no_faster_than_a_few() {
    // CAUTH-18
    let world = World::new().await;
    assert_eq!(world.guesses("secret", 300).await, 10);
    // The right one is not found either: an answer to it would be an answer to a guess.
    assert_eq!(world.tries("secret", RIGHT, "203.0.113.250").await, 429);
    assert!(world.heard.has("limited client_id=secret reason=wrong_secret_client"));
    // Another server over the store goes on counting, and another client is another matter.
    let other = World {
        server: World::server(&world.stores, &world.clock, &world.heard).await,
        stores: world.stores.clone(),
        clock: world.clock.clone(),
        heard: world.heard.clone(),
    };
    assert_eq!(other.guesses("secret", 20).await, 0);
    assert_eq!(other.tries("other", "staple-correct-horse", "203.0.113.250").await, 400);
    // A tenth of the time buys a tenth of the guesses.
    world.clock.advance(Duration::from_secs(360));
    assert_eq!(world.guesses("secret", 100).await, 1);
}

/// Counts elsewhere: between a request and its answer there is time for others.
struct Far(Arc<dyn RateLimiter>);

#[async_trait]
impl RateLimiter for Far {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        tokio::task::yield_now().await;
        self.0.hit(key, quota, now).await
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        tokio::task::yield_now().await;
        self.0.peek(key, quota, now).await
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        self.0.reset(key).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.0.purge(before).await
    }
}

impl World {
    async fn far() -> Self {
        let mut stores = Stores::memory();
        stores.limits = Arc::new(Far(stores.limits.clone()));
        let (clock, heard) = (FixedClock::default(), Heard::default());
        let server = Self::server(&stores, &clock, &heard).await;
        Self { server, stores, clock, heard }
    }

    /// The statuses of guesses that are all under way before the first is answered, the right one at the end.
    async fn at_once(&self, wrong: u16, source: impl Fn(u16) -> String) -> Vec<u16> {
        let guesses = (0..=wrong).map(|at| {
            let secret = if at == wrong { RIGHT.to_owned() } else { format!("guess number {at} of many") };
            let source = source(at);
            async move { self.tries("secret", &secret, &source).await }
        });
        // Of more than thirty, `join_all` looks after those first that were woken last.
        let mut guesses: Vec<_> = guesses.collect();
        let mut lines = Vec::new();
        while !guesses.is_empty() {
            let rest = guesses.split_off(guesses.len().min(30));
            lines.push(futures::future::join_all(std::mem::replace(&mut guesses, rest)));
        }
        futures::future::join_all(lines).await.concat()
    }
}

#[tokio::test]
async fn guesses_that_arrive_at_once_get_no_further_than_those_in_a_row() {
    // CAUTH-18
    let looked = |statuses: &[u16]| statuses.iter().filter(|status| **status != 429).count();
    let world = World::far().await;
    let from_one = world.at_once(60, |_| "203.0.113.7".to_owned()).await;
    assert_eq!((looked(&from_one), from_one[60]), (3, 429), "{from_one:?}");

    let world = World::far().await;
    let from_many = world.at_once(60, |at| format!("203.0.113.{}", at + 1)).await;
    assert_eq!((looked(&from_many), from_many[60]), (10, 429), "{from_many:?}");

    // From where the client itself has authenticated, too.
    let world = World::far().await;
    let home = "198.51.100.7";
    assert_eq!(world.tries("secret", RIGHT, home).await, 400);
    let from_home = world.at_once(60, |_| home.to_owned()).await;
    assert_eq!((looked(&from_home), from_home[60]), (3, 429), "{from_home:?}");
}

#[tokio::test]
async fn servers_over_one_store_tell_of_no_more_wrong_guesses_than_one_of_them() {
    // CAUTH-18
    let one = World::far().await;
    let other = World {
        server: World::server(&one.stores, &one.clock, &one.heard).await,
        stores: one.stores.clone(),
        clock: one.clock.clone(),
        heard: one.heard.clone(),
    };
    let here = |_| "203.0.113.7".to_owned();
    let (first, second) = futures::join!(one.at_once(60, here), other.at_once(60, here));
    let told = first.iter().chain(&second).filter(|status| **status == 401).count();
    assert_eq!(told, 3, "{first:?} {second:?}");
    assert_eq!((first[60], second[60]), (429, 429));
}

/// Never says how many strangers have guessed.
struct Silent(Arc<dyn RateLimiter>);

#[async_trait]
impl RateLimiter for Silent {
    async fn hit(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        self.0.hit(key, quota, now).await
    }

    async fn peek(&self, key: &LimitKey, quota: Quota, now: Timestamp) -> Result<Verdict, StoreError> {
        if *key == LimitKey::new("wrong-secret-client", "secret") {
            return std::future::pending().await;
        }
        self.0.peek(key, quota, now).await
    }

    async fn reset(&self, key: &LimitKey) -> Result<(), StoreError> {
        self.0.reset(key).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.0.purge(before).await
    }
}

#[tokio::test]
async fn who_is_known_from_the_store_alone_waits_behind_no_stranger() {
    // CAUTH-18
    let (first, home) = (World::new().await, "198.51.100.7");
    assert_eq!(first.tries("secret", RIGHT, home).await, 400);
    let mut stores = first.stores.clone();
    stores.limits = Arc::new(Silent(stores.limits.clone()));
    let server = World::server(&stores, &first.clock, &first.heard).await;
    let second = World { server, stores, clock: first.clock.clone(), heard: first.heard.clone() };
    let mut stranger = Box::pin(second.tries("secret", "guess", "203.0.113.7"));
    assert!((&mut stranger).now_or_never().is_none(), "the stranger holds the line");
    assert_eq!(second.tries("secret", RIGHT, home).now_or_never(), Some(400));
}

#[tokio::test]
async fn a_burst_of_a_client_itself_is_no_guess() {
    // CAUTH-18
    let world = World::far().await;
    for _ in 0..2 {
        let burst = (0..50).map(|_| world.tries("secret", RIGHT, "198.51.100.7"));
        assert!(futures::future::join_all(burst).await.iter().all(|status| *status == 400));
    }
}

#[tokio::test]
async fn nobody_locks_a_client_out_by_its_name() {
    // CAUTH-18
    let world = World::new().await;
    let home = "198.51.100.7";
    assert_eq!(world.tries("secret", RIGHT, home).await, 400);
    for day in 0..3 {
        world.clock.advance(DAY);
        assert_eq!(world.guesses("secret", 100).await, 10, "{day}");
        assert_eq!(world.tries("secret", RIGHT, home).await, 400, "{day}");
    }
    // A restart forgets nothing of it, and a new process knows it from the store.
    let other = World {
        server: World::server(&world.stores, &world.clock, &world.heard).await,
        stores: world.stores.clone(),
        clock: world.clock.clone(),
        heard: world.heard.clone(),
    };
    assert_eq!(other.tries("secret", RIGHT, home).await, 400);
    // The place is known for this client alone.
    assert_eq!(world.guesses("other", 100).await, 10);
    assert_eq!(world.tries("other", "staple-correct-horse", home).await, 429);
}

#[tokio::test]
async fn a_known_address_keeps_its_own_allowance_and_fills_nobody_elses() {
    // CAUTH-18
    let world = World::new().await;
    let home = "198.51.100.7";
    assert_eq!(world.tries("secret", RIGHT, home).await, 400);
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(world.tries("secret", "the secret of last year", home).await);
    }
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 3);
    assert_eq!(world.tries("secret", RIGHT, home).await, 429, "its own allowance is used up");
    // Elsewhere nothing is.
    assert_eq!(world.tries("secret", RIGHT, "198.51.100.8").await, 400);
    assert_eq!(world.guesses("secret", 100).await, 10);
    // What was known once is not known for good.
    world.clock.advance(31 * DAY);
    assert_eq!(world.guesses("secret", 100).await, 10);
    assert_eq!(world.tries("secret", RIGHT, home).await, 429);
}
