//! The service that looks whether a client has what its request needs.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use serde_json::Value;
use tower_service::Service;

use crate::answer::Answer;
use crate::body::ResponseBody;
use crate::extensions::{capability_missing, client_has};
use crate::guard::ResponseFuture;
use crate::scope::{Operation, PeekedBody};

/// Refuses requests whose client lacks an extension that they need. Made by [`RequireExtensionLayer`](crate::extensions::RequireExtensionLayer),
/// where the example is.
///
/// ```
/// use oauth_resource::extensions::{DPOP, RequireExtension, RequireExtensionLayer};
/// use tower::Layer as _;
///
/// let service: RequireExtension<&str> = RequireExtensionLayer::new(DPOP).tool("pay").layer("an mcp server");
/// assert!(format!("{service:?}").contains("an mcp server"));
/// ```
#[derive(Clone, Debug)]
pub struct RequireExtension<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// What needs the extension.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) extension: Box<str>,
    pub(super) tools: HashSet<Box<str>>,
    pub(super) methods: HashSet<Box<str>>,
}

impl Settings {
    fn concerns(&self, operation: &Operation<'_>) -> bool {
        // What cannot be told might be anything.
        if *operation == Operation::Unclassified {
            return true;
        }
        let is_tool = matches!(operation, Operation::Tool { name } if self.tools.contains(&**name));
        is_tool || self.methods.contains(operation.method())
    }

    /// The refusal of a body that needs more than it says its client has.
    fn refuse(&self, body: &[u8]) -> Option<Answer> {
        let mut concerned = false;
        Operation::of_body(body, |operation| concerned |= self.concerns(&operation));
        if !concerned {
            return None;
        }
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            // A number without bounds, half a character: other readers find a message in it, and what it says of its client nobody can tell.
            return Some(capability_missing(&Value::Null, &self.extension));
        };
        let batch = message.as_array().map_or(std::slice::from_ref(&message), Vec::as_slice);
        let lacks =
            batch.iter().find(|message| self.needs(message) && !client_has(message, &self.extension))?;
        tracing::debug!(reason = "capability_missing", extension = &*self.extension, "refused");
        Some(capability_missing(&lacks["id"], &self.extension))
    }

    fn needs(&self, message: &Value) -> bool {
        let text = message.to_string();
        let mut concerned = false;
        Operation::of_body(text.as_bytes(), |operation| concerned |= self.concerns(&operation));
        concerned
    }
}

impl<S> RequireExtension<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<PeekedBody<B>>> for RequireExtension<S>
where
    S: Service<Request<PeekedBody<B>>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<PeekedBody<B>>) -> Self::Future {
        match request.body().bytes().and_then(|body| self.settings.refuse(body)) {
            Some(answer) => ResponseFuture::answer(answer),
            None => ResponseFuture::inner(self.inner.call(request), None),
        }
    }
}
