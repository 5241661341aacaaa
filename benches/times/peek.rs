//! The scope layer by itself, with the token checked before: reading the body, finding what it asks for, deciding.

use std::cell::RefCell;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
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
    let request = |method: Method, body: &Bytes| {
        let request = Request::builder().method(method).uri("/mcp").extension(caller.clone());
        request.body(Full::new(body.clone())).expect("its parts are valid")
    };
    let mut bare = service_fn(|_: Request<Full<Bytes>>| std::future::ready(Ok::<_, Infallible>(nothing())));
    let mut layered = layer.layer(service_fn(|_: Request<PeekedBody<Full<Bytes>>>| {
        std::future::ready(Ok::<_, Infallible>(nothing()))
    }));

    let none = Bytes::new();
    let call = Bytes::from_static(CALL.as_bytes());
    let whole = by_turns(
        ROUNDS,
        || nanoseconds(REQUESTS, || request(Method::POST, &call), |request| answer(&mut bare, request)),
        || nanoseconds(REQUESTS, || request(Method::POST, &call), |request| answer(&mut layered, request)),
    );
    // What the layer does for a request without a body is the floor: it decides by the method alone.
    let layered = RefCell::new(layered);
    let row = |what: &str, body: Bytes, limit: f64| {
        let turn = |method: Method, body: &Bytes| {
            let prepare = || request(method.clone(), body);
            nanoseconds(REQUESTS, prepare, |request| answer(&mut *layered.borrow_mut(), request))
        };
        let compared = by_turns(ROUNDS, || turn(Method::GET, &none), || turn(Method::POST, &body));
        Row::at_most(what, compared.difference / 1000.0, limit, "µs", &format!("{} bytes", body.len()))
    };
    let with = |filling: &str| {
        let text = filling.repeat(16_000 / filling.len());
        Bytes::from(CALL.replace("Groceries this week", &text))
    };
    vec![
        row("scope peek: a call", call.clone(), 0.5),
        row("scope peek: 16 kB of text", with("Some text that goes on, "), 4.0),
        row(
            "scope peek: 16 kB, an escape in each line",
            with("Some text that goes on, and then a new line begins.\\n"),
            4.0,
        ),
        row("scope peek: 16 kB of Chinese", with("一些继续下去的文字，"), 4.0),
        Row::told(
            "the whole scope layer, peek included: a call",
            whole.difference / 1000.0,
            "µs",
            "230 bytes",
        ),
    ]
}

fn nothing() -> Response<Empty<Bytes>> {
    Response::new(Empty::new())
}
