//! Signed tokens: what a token allocates that was seen before, and one that was not.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body_util::Empty;
use oauth_core::TokenVerifier as _;
use oauth_core::jose::SigningKey;
use oauth_resource::RequireBearerLayer;
use tower::{Layer as _, service_fn};

use benches::fixture::{Body, NOW, RESOURCE, answer, call};
use benches::jwt::{Clocked, access_token, verifier};
use benches::table::Row;

use crate::authorized::allocations;

pub(crate) fn measure() -> Vec<Row> {
    let inner =
        |_: Request<Body>| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let key = SigningKey::generate_es256();
    let token = access_token(&key, "alice");
    let mut bare = service_fn(inner);
    let mut layered = RequireBearerLayer::new(RESOURCE.parse().expect("it is a resource"), verifier(&key))
        .with_clock(Arc::new(Clocked))
        .with_cache(100, Duration::from_secs(3600))
        .layer(service_fn(inner));
    drop(answer(&mut layered, call(&token)));
    let floor = allocations(|| drop(answer(&mut bare, call(&token))));
    let seen = allocations(|| drop(answer(&mut layered, call(&token)))) - floor;
    let verifier = verifier(&key);
    let verify =
        || verifier.verify(&token, NOW).now_or_never().expect("nothing waits here").expect("it is good");
    drop(verify());
    let unseen = allocations(|| drop(verify()));
    vec![
        Row::at_most("A JWT seen before, RequireBearer: added", seen, 5.0, "allocations", ""),
        Row::at_most("A JWT not seen before, the verifier", unseen, 12.0, "allocations", ""),
    ]
}
