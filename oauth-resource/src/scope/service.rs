//! The service that lets through only requests whose caller has the scopes they need.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::authorized::Authorized;
use crate::bearer::Refused;
use crate::body::ResponseBody;
use crate::challenge::Fault;
use crate::scope::body::PeekedBody;
use crate::scope::decide::{Caller, Settings};
use crate::scope::future::ResponseFuture;

/// Lets through only requests whose caller has the scopes that their operation needs. Made by
/// [`RequireScopeLayer`](crate::RequireScopeLayer), where the example is.
#[derive(Clone)]
pub struct RequireScope<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RequireScope<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for RequireScope<S>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let caller = caller(&mut parts);
        // A body of any method is read: what an inner service dispatches by is its own affair.
        if parts.method != http::Method::POST && body.is_end_stream() {
            return match self.settings.decide_bare(&parts, &caller) {
                Ok(()) => {
                    let request = Request::from_parts(parts, PeekedBody::unread(body));
                    ResponseFuture::inner(self.inner.call(request))
                }
                Err(answer) => ResponseFuture::answer(*answer),
            };
        }
        if body.size_hint().lower() > self.settings.limit(&caller) as u64 {
            return ResponseFuture::answer(self.settings.too_long(&caller));
        }
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::reading(parts, body, caller, ready, self.settings.clone())
    }
}

fn caller(parts: &mut http::request::Parts) -> Caller {
    let refused = parts.extensions.remove::<Refused>();
    match (parts.extensions.get::<Authorized>(), refused) {
        (Some(authorized), None) => Caller::Known(authorized.clone()),
        (_, Some(Refused(fault))) => Caller::Stranger(fault),
        // No bearer layer in front, so nobody has looked at what is presented.
        (None, None) if parts.headers.contains_key(AUTHORIZATION) => Caller::Stranger(Fault::Invalid),
        (None, None) => Caller::Stranger(Fault::Missing),
    }
}

impl<S: fmt::Debug> fmt::Debug for RequireScope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScope").field("inner", &self.inner).finish_non_exhaustive()
    }
}
