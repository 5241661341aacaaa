//! An authorised request with a token that was seen before: what the layers add to the inner service.

use std::convert::Infallible;

use bytes::Bytes;
use futures::executor::block_on;
use http::{Request, Response};
use http_body_util::Empty;
use oauth_core::{CredentialKind, Stores};
use oauth_resource::PeekedBody;
use tower::{Layer as _, Service, service_fn};

use benches::fixture::{Body, answer, bearer, call, credential_in, protected};
use benches::rounds::{Compared, by_turns, nanoseconds};
use benches::table::Row;

/// As many as stay in the caches: a real request was just read.
const REQUESTS: u32 = 100;
const ROUNDS: usize = 2001;

pub(crate) fn measure() -> Vec<Row> {
    let stores = Stores::memory();
    let token = block_on(credential_in(&stores, CredentialKind::AccessToken));
    let inner =
        |_: Request<Body>| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let peeked = |_: Request<PeekedBody<Body>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    };
    let alone = compare(&token, service_fn(inner), bearer(&stores).layer(service_fn(inner)));
    let whole = compare(&token, service_fn(inner), protected(&stores).layer().layer(service_fn(peeked)));
    vec![
        Row::at_most(
            "RequireBearer, a token seen before: added",
            alone.difference,
            300.0,
            "ns",
            &detail(&alone),
        ),
        Row::told(
            "ProtectedResource, all layers and the scope: added",
            whole.difference,
            "ns",
            &detail(&whole),
        ),
    ]
}

fn detail(compared: &Compared) -> String {
    format!("{:.0} ns over {:.0} ns", compared.ours, compared.floor)
}

fn compare<S, L, R, Q>(token: &str, mut inner: S, mut layered: L) -> Compared
where
    S: Service<Request<Body>, Response = R, Error = Infallible>,
    L: Service<Request<Body>, Response = Q, Error = Infallible>,
{
    // The first one is verified; the others were seen before.
    drop(answer(&mut layered, call(token)));
    by_turns(
        ROUNDS,
        || nanoseconds(REQUESTS, || call(token), |request| answer(&mut inner, request)),
        || nanoseconds(REQUESTS, || call(token), |request| answer(&mut layered, request)),
    )
}
