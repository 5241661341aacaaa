//! The service that looks at what is asked, and marks what is to be done with the answer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::authorized::Authorized;
use crate::challenge::Challenge;
use crate::scope::{PeekedBody, ScopePolicy};
use crate::tailor::body::TailoredBody;
use crate::tailor::demand::Demand;
use crate::tailor::future::ResponseFuture;
use crate::tailor::lists::{Lists, Tailor};

/// Cuts the inner service's answers to who asks. Made by [`TailorAnswersLayer`](crate::TailorAnswersLayer), where the example is.
///
/// ```
/// use oauth_resource::{ProtectedResource, ScopeRules, TailorAnswers};
/// use tower::Layer as _;
/// # use oauth_core::Stores;
///
/// let resource = ProtectedResource::builder("https://mcp.example/mcp", "https://as.example").stores(&Stores::memory()).build()?;
/// let service: TailorAnswers<&str> = resource.tailor().layer("an mcp server");
/// assert!(format!("{service:?}").starts_with("TailorAnswers"));
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
#[derive(Clone)]
pub struct TailorAnswers<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// What can be set.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) policy: Arc<dyn ScopePolicy>,
    pub(super) challenge: Challenge,
    pub(super) hides: bool,
    pub(super) schemes: bool,
    pub(super) max_list: usize,
}

impl<S> TailorAnswers<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<PeekedBody<B>>> for TailorAnswers<S>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<TailoredBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<PeekedBody<B>>) -> Self::Future {
        let lists = request.body().bytes().map_or_else(Lists::default, Lists::asked_for);
        let caller = request.extensions().get::<Authorized>().cloned();
        let tailor = lists.any().then(|| {
            // An encoded list could not be read.
            request.headers_mut().remove(ACCEPT_ENCODING);
            Tailor { lists, caller, settings: self.settings.clone() }
        });
        let demand = Demand::default();
        request.extensions_mut().insert(demand.clone());
        ResponseFuture::new(self.inner.call(request), demand, tailor, self.settings.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for TailorAnswers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailorAnswers").field("inner", &self.inner).finish_non_exhaustive()
    }
}
