//! The service that refuses foreign pages and names, and serves the metadata.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Body;
use tower_service::Service;

use crate::answer;
use crate::body::ResponseBody;
use crate::guard::future::ResponseFuture;
use crate::guard::origin::{From, is_preflight, preflight_answer};
use crate::guard::{Hosts, Origins};
use crate::metadata::{self, MetadataService};

/// Refuses foreign pages and foreign names, answers preflights, serves the metadata. Made by [`GuardLayer`](crate::GuardLayer), where another
/// example is.
///
/// ```
/// use http::Request;
/// # use http_body_util::Empty;
/// use oauth_core::metadata::ProtectedResourceMetadata;
/// use oauth_resource::{Guard, GuardLayer, MetadataService};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let mcp_server = service_fn(|_: Request<()>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
/// let document = ProtectedResourceMetadata::new("https://mcp.example/mcp".parse()?, "https://as.example".parse()?);
/// let service: Guard<_> = GuardLayer::new(&document.resource, MetadataService::new([&document])).layer(mcp_server);
///
/// let from = |origin| Request::post("/mcp").header("origin", origin).body(());
/// assert_eq!(service.clone().oneshot(from("https://mcp.example")?).await?.status(), 200);
/// assert_eq!(service.oneshot(from("https://evil.example")?).await?.status(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// What can be set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) hosts: Option<Hosts>,
    pub(crate) origins: Origins,
    pub(crate) metadata: MetadataService,
}

impl Settings {
    /// Whether a request goes by a name on the list.
    pub(crate) fn admit(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.admit(headers, uri))
    }
}

impl<S> Guard<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = &self.settings;
        if !settings.admit(request.headers(), request.uri()) {
            tracing::debug!(reason = "host", "refused");
            let why = "this server is not called by that host name";
            return ResponseFuture::answer(answer::plain(StatusCode::FORBIDDEN, "forbidden_host", why));
        }
        if let Some(answer) = settings.metadata.answer_at(request.uri().path(), request.method()) {
            return ResponseFuture::answer(answer);
        }
        // Whoever has a token is told what stands there.
        if !request.headers().contains_key(AUTHORIZATION)
            && let Some(answer) = metadata::no_server_at(request.uri().path(), request.method())
        {
            return ResponseFuture::answer(answer);
        }
        match settings.origins.of_request(request.headers()) {
            From::NoPage => ResponseFuture::inner(self.inner.call(request), None),
            From::Listed(origin) if is_preflight(request.method(), request.headers()) => {
                ResponseFuture::answer(preflight_answer(origin))
            }
            From::Listed(origin) => ResponseFuture::inner(self.inner.call(request), Some(origin)),
            From::Foreign => {
                tracing::debug!(reason = "origin", "refused");
                let why = "pages of that origin may not call this server";
                ResponseFuture::answer(answer::plain(StatusCode::FORBIDDEN, "forbidden_origin", why))
            }
        }
    }
}
