//! Whether callers with good tokens suffer from others: from as many threads as there are cores, and from those who forge.

use std::convert::Infallible;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use oauth_core::jose::SigningKey;
use oauth_resource::{JwtVerifier, RequireBearer, RequireBearerLayer};
use tower::util::ServiceFn;
use tower::{Layer as _, service_fn};

use benches::fixture::{Body, RESOURCE, answer, call};
use benches::jwt::{Clocked, access_token, verifier};
use benches::rounds::{by_turns, median};
use benches::table::Row;

const REQUESTS: usize = 200;
const ROUNDS: usize = 15;
const TURN: Duration = Duration::from_millis(300);

pub(crate) fn measure() -> Vec<Row> {
    let key = SigningKey::generate_es256();
    let tokens: Vec<String> = (0..1000).map(|n| access_token(&key, &format!("user-{n}"))).collect();
    let service = RequireBearerLayer::new(RESOURCE.parse().expect("it is a resource"), verifier(&key))
        .with_clock(std::sync::Arc::new(Clocked))
        .with_cache(10_000, Duration::from_secs(3600))
        .layer(inner());
    let mut rows = vec![
        two_threads("RequireBearer on two threads, 1000 JWTs: of one thread", &service, &tokens),
        two_threads("RequireBearer on two threads, one JWT: of one thread", &service, &tokens[..1]),
    ];
    rows.push(beside_forgers(service, &tokens));
    rows
}

type Inner = ServiceFn<fn(Request<Body>) -> Answered>;
type Answered = std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;
type Service = RequireBearer<Inner, JwtVerifier>;

fn inner() -> Inner {
    fn plain(_: Request<Body>) -> Answered {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
    service_fn(plain)
}

/// The requests are made beforehand, and not counted: making them is the allocator's affair.
fn two_threads(what: &str, service: &Service, tokens: &[String]) -> Row {
    let rate = |threads: usize| -> f64 {
        let barrier = Barrier::new(threads);
        thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|first| {
                    let (mut service, barrier) = (service.clone(), &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        turn(&mut service, tokens, first * tokens.len() / 2)
                    })
                })
                .collect();
            started.into_iter().map(|thread| thread.join().expect("it runs to its end")).sum()
        })
    };
    // For the floor a second thread is kept busy with nothing, so that both have the same core, clock and neighbours.
    let spinning = || {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                let began = Instant::now();
                while began.elapsed() < TURN {
                    std::hint::spin_loop();
                }
            });
            let mut service = service.clone();
            barrier.wait();
            turn(&mut service, tokens, 0)
        })
    };
    let ratios = (0..ROUNDS).map(|_| rate(2) / spinning()).collect();
    Row::at_least(what, 100.0 * median(ratios), 170.0, "beside a thread that does nothing else")
}

/// Requests in a second.
fn turn(service: &mut Service, tokens: &[String], first: usize) -> f64 {
    let (began, mut busy, mut done, mut next) = (Instant::now(), Duration::ZERO, 0u32, first);
    while began.elapsed() < TURN {
        let requests: Vec<_> = (0..REQUESTS)
            .map(|_| {
                next = (next + 1) % tokens.len();
                call(&tokens[next])
            })
            .collect();
        let began = Instant::now();
        for request in requests {
            drop(answer(service, request));
            done += 1;
        }
        busy += began.elapsed();
    }
    f64::from(done) / busy.as_secs_f64()
}

/// A request with a good token after each that is forged, beside requests after others as good.
fn beside_forgers(service: Service, tokens: &[String]) -> Row {
    let (message, _) = tokens[0].rsplit_once('.').expect("it has three segments");
    let forged: Vec<String> = (0..1000).map(|n| format!("{message}.{n:0>85}A")).collect();
    let service = std::cell::RefCell::new(service);
    let after = |others: &[String]| {
        let mut service = service.borrow_mut();
        let mut took = Vec::with_capacity(others.len());
        for (other, token) in others.iter().zip(tokens) {
            drop(answer(&mut *service, call(other)));
            let request = call(token);
            let began = Instant::now();
            drop(answer(&mut *service, request));
            took.push(began.elapsed().as_secs_f64() * 1e9);
        }
        median(took)
    };
    let good: Vec<String> = tokens.iter().rev().cloned().collect();
    let compared = by_turns(21, || after(&good), || after(&forged));
    let detail = format!("{:.0} ns of {:.0} ns", compared.ours, compared.floor);
    Row::told("A good JWT after a forged one: of one after another good one", compared.percent, "%", &detail)
}
