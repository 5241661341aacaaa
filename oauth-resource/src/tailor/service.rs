//! The service that looks at what is asked, and marks what is to be done with the answer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::authorized::Authorized;
use crate::challenge::Challenge;
use crate::scope::{PeekedBody, ScopePolicy};
use crate::tailor::body::TailoredBody;
use crate::tailor::demand::Demand;
use crate::tailor::future::ResponseFuture;
use crate::tailor::lists::{Lists, Tailor};
use crate::tailor::refusal::id_of;

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
    /// By name, each once.
    pub(super) extensions: BTreeSet<Box<str>>,
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
        // What a stream of this kind carries was asked for before, by whoever (Streamable HTTP, "Resumability").
        let asked = request.body().bytes().filter(|body| !body.is_empty());
        let resumed = request.method() == Method::GET && asked.is_none();
        let lists = if resumed { Lists::all() } else { asked.map_or_else(Lists::default, Lists::asked_for) };
        let tailor = lists.concern(&self.settings).then(|| {
            let caller = request.extensions().get::<Authorized>().cloned();
            Tailor { lists, id: asked.and_then(id_of), resumed, caller, settings: self.settings.clone() }
        });
        if tailor.is_some() {
            // An encoded list could not be read.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
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
