//! The document that tells clients where to get a token, served (RFC 9728 §3).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use oauth_core::metadata::ProtectedResourceMetadata;
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::signed::{KEYS, MetadataKey};

/// The well-known path of RFC 9728 §3; what a resource's own path is put behind.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Serves the metadata documents of one or more resources of one origin: each at its path form, and at the root form too where
/// that can mean one alone (RS-3). Anybody may read it, from any page (RS-13, RS-14).
///
/// It answers every request that it gets, so mount it below [`WELL_KNOWN`], with the prefix stripped or not. Behind
/// [`ProtectedResource::layer`](crate::ProtectedResource::layer) it stands already.
///
/// ```
/// use http::{Request, StatusCode};
/// use oauth_core::metadata::ProtectedResourceMetadata;
/// use oauth_resource::MetadataService;
/// use tower::ServiceExt;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let document = ProtectedResourceMetadata::new("https://mcp.example/mcp".parse()?, "https://as.example".parse()?);
/// let service = MetadataService::new([&document]);
/// for (path, status) in [("/mcp", StatusCode::OK), ("", StatusCode::OK), ("/nope", StatusCode::NOT_FOUND)] {
///     let request = Request::get(format!("/.well-known/oauth-protected-resource{path}")).body(())?;
///     assert_eq!(service.clone().oneshot(request).await?.status(), status);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MetadataService {
    // By the resource's path; the root form is the empty path.
    documents: Arc<BTreeMap<Box<str>, Bytes>>,
}

/// For how long a document may be kept: it may change, and clients read it again after a 401 (RS-12).
const MAX_AGE: &str = "public, max-age=300";

impl MetadataService {
    /// Serves these documents. Each is written once, here; nothing of a request goes into it (RS-17).
    #[must_use]
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a ProtectedResourceMetadata>) -> Self {
        let mut by_path: BTreeMap<Box<str>, Bytes> = documents
            .into_iter()
            .map(|document| {
                // Strings, lists of strings and flags.
                let json = serde_json::to_vec(document).expect("a metadata document is plain json");
                (document.resource.path().into(), json.into())
            })
            .collect();
        if by_path.len() == 1
            && let Some(only) = by_path.values().next().cloned()
        {
            by_path.insert("".into(), only);
        }
        Self { documents: Arc::new(by_path) }
    }

    /// Serves at the path form alone: for a resource that shares its origin with others which this service does not know (RS-3).
    #[must_use]
    pub fn without_root(document: &ProtectedResourceMetadata) -> Self {
        let mut service = Self::new([document]);
        if !document.resource.path().is_empty() {
            Arc::make_mut(&mut service.documents).remove("");
        }
        service
    }

    /// Serves the public half of `key` too, at the `jwks_uri` of the document that it signed (RS-16).
    #[must_use]
    pub fn with_keys(mut self, document: &ProtectedResourceMetadata, key: &MetadataKey) -> Self {
        let path = format!("{}{KEYS}", document.resource.path());
        Arc::make_mut(&mut self.documents).insert(path.into(), key.jwks().to_string().into());
        self
    }

    /// The answer if `path` is at or below [`WELL_KNOWN`].
    pub(crate) fn answer_at(&self, path: &str, method: &Method) -> Option<Answer> {
        let resource = path.strip_prefix(WELL_KNOWN)?;
        // `…-protected-resources` is another path.
        (resource.is_empty() || resource.starts_with('/')).then(|| self.answer(resource, method))
    }

    fn answer(&self, resource: &str, method: &Method) -> Answer {
        let resource = resource.trim_end_matches('/');
        let mut answer = match (self.documents.get(resource), method) {
            // 404 and JSON: 5xx ends discovery, HTML breaks it (RS-15).
            (None, _) => {
                answer::plain(StatusCode::NOT_FOUND, "not_found", "no protected resource has that path")
            }
            (Some(document), &Method::GET) => document_answer(document.clone()),
            (Some(document), &Method::HEAD) => {
                let mut answer = document_answer(document.clone());
                answer.headers_mut().insert(CONTENT_LENGTH, document.len().into());
                *answer.body_mut() = Full::default();
                answer
            }
            (Some(_), &Method::OPTIONS) => preflight(),
            (Some(_), _) => {
                let why = "the document is read by get";
                let mut answer = answer::plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", why);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                answer
            }
        };
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer
    }
}

/// The answer to clients that look for an authorization server's metadata at the MCP server itself, as those of 2025-03-26 do: anything but 404
/// ends their search (RS-15). For any page, as the documents are.
pub(crate) fn no_server_at(path: &str, method: &Method) -> Option<Answer> {
    let is_at =
        |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !SERVERS.into_iter().any(is_at) {
        return None;
    }
    let why = "which authorization server it is stands in the protected resource metadata";
    let mut answer = match *method {
        Method::OPTIONS => preflight(),
        _ => answer::plain(StatusCode::NOT_FOUND, "not_found", why),
    };
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Some(answer)
}

const SERVERS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

const METHODS: &str = "GET, HEAD, OPTIONS";

fn document_answer(document: Bytes) -> Answer {
    let mut answer = answer::json(StatusCode::OK, document);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(MAX_AGE));
    answer
}

fn preflight() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    // Clients send a version of any age there (wire fact 13); a document without secrets needs no list of what else they may.
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("MCP-Protocol-Version, Accept, Content-Type, Authorization, Cache-Control"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    answer
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (path, method) = (request.uri().path(), request.method());
        // A router that nests strips the prefix: then the whole path is the resource's.
        let answer = self.answer_at(path, method).unwrap_or_else(|| self.answer(path, method));
        ready(Ok(answer))
    }
}
