//! The scope layer by itself, with the token checked before: reading the body, finding what it asks for, deciding.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use oauth_core::{Claims, Timestamp};
use oauth_resource::{Authorized, PeekedBody, RequireScopeLayer, ScopeRules};
use tower::{Layer as _, service_fn};

use benches::fixture::{CALL, ISSUER, RESOURCE, answer};
use benches::rounds::{by_turns, nanoseconds};
use benches::table::Row;

/// As many as stay in the caches: a real request was just read.
const REQUESTS: u32 = 100;
const ROUNDS: usize = 1001;

pub(crate) fn measure() -> Vec<Row> {
    let rules = ScopeRules::builder("notes:read")
        .tool("add_note", "notes:write")
        .build()
        .expect("the rules are some");
    let layer = RequireScopeLayer::new(&RESOURCE.parse().expect("it is a resource"), rules);
    let claims = Claims::new(
        ISSUER,
        "alice".parse().expect("it is a subject"),
        "app".parse().expect("it is a client"),
        Timestamp::MAX,
    );
    let caller =
        Authorized::assertion(claims.with_scopes("notes:read notes:write".parse().expect("they are scopes")));

    let row = |what: &str, body: String, limit: f64| {
        let body = Bytes::from(body);
        let request = || {
            Request::post("/mcp")
                .extension(caller.clone())
                .body(Full::new(body.clone()))
                .expect("its parts are valid")
        };
        let mut inner = service_fn(|_: Request<Full<Bytes>>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        });
        let mut layered = layer.layer(service_fn(|_: Request<PeekedBody<Full<Bytes>>>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        }));
        let compared = by_turns(
            ROUNDS,
            || nanoseconds(REQUESTS, request, |request| answer(&mut inner, request)),
            || nanoseconds(REQUESTS, request, |request| answer(&mut layered, request)),
        );
        let detail = format!("{} bytes; the whole scope layer", body.len());
        Row::at_most(what, compared.difference / 1000.0, limit, "µs", &detail)
    };
    let with = |filling: &str, length: usize| {
        let text = filling.repeat(length / filling.len());
        CALL.replace("Groceries this week", &text)
    };
    vec![
        row("scope peek: a call", CALL.to_owned(), 0.5),
        row("scope peek: 16 kB of text", with("Some text that goes on, ", 16_000), 4.0),
        row(
            "scope peek: 16 kB, an escape in each line",
            with("Some text that goes on, and then a new line begins.\\n", 16_000),
            4.0,
        ),
        row("scope peek: 16 kB of Chinese", with("一些继续下去的文字，", 16_000), 4.0),
    ]
}
