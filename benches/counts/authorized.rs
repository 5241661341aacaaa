//! An authorised request with a token that was seen before: what the layers allocate besides the inner service.

use std::convert::Infallible;

use bytes::Bytes;
use futures::executor::block_on;
use http::{Request, Response};
use http_body_util::Empty;
use oauth_core::{CredentialKind, Stores};
use oauth_resource::PeekedBody;
use stats_alloc::Region;
use tower::{Layer as _, service_fn};

use benches::fixture::{Body, answer, bearer, call, credential_in, protected};
use benches::table::Row;

use crate::ALLOCATOR;

pub(crate) fn measure() -> Vec<Row> {
    let stores = Stores::memory();
    let token = block_on(credential_in(&stores, CredentialKind::AccessToken));
    let inner =
        |_: Request<Body>| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let peeked = |_: Request<PeekedBody<Body>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    };
    let (mut bare, mut alone) = (service_fn(inner), bearer(&stores).layer(service_fn(inner)));
    let mut whole = protected(&stores).layer().layer(service_fn(peeked));
    // The first one is verified; the others were seen before.
    drop((answer(&mut alone, call(&token)), answer(&mut whole, call(&token))));
    let floor = allocations(|| drop(answer(&mut bare, call(&token))));
    let alone = allocations(|| drop(answer(&mut alone, call(&token)))) - floor;
    let whole = allocations(|| drop(answer(&mut whole, call(&token)))) - floor;
    vec![
        Row::at_most("RequireBearer, a token seen before: added", alone, 3.0, "allocations", ""),
        Row::told("ProtectedResource, all layers and the scope: added", whole, "allocations", ""),
    ]
}

/// How many allocations `act` makes. Growing counts as well.
pub(crate) fn allocations(mut act: impl FnMut()) -> f64 {
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        act();
    }
    let stats = region.change();
    ((stats.allocations + stats.reallocations) as f64 / 1000.0).round()
}
