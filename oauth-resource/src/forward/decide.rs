//! Behind the token check of one resource: what path and method need, and what the caller has.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use oauth_core::{ErrorCode, ResourceUri, ScopeSet, TokenVerifier};
use tower_service::Service;

use crate::answer::{self, Answer};
use crate::audit::Trail;
use crate::authorized::Authorized;
use crate::bearer::{ProvenFor, Refused, RequireBearer};
use crate::challenge::{Challenge, Fault};
use crate::forward::rules::PathRules;
use crate::guard::{Origins, Page, is_preflight};
use crate::scope::Need;

/// What stands where the protected server would.
#[derive(Clone, Debug)]
pub(super) struct Decide {
    rules: Arc<PathRules>,
    challenge: Challenge,
    /// What basic use needs: one sign-in shall do for it (RS-19).
    basic: ScopeSet,
    /// The resource's own pages.
    own: Arc<Origins>,
}

impl Decide {
    pub(super) fn new(
        rules: PathRules,
        challenge: Challenge,
        basic: ScopeSet,
        resource: &ResourceUri,
    ) -> Self {
        Self { rules: Arc::new(rules), challenge, basic, own: Arc::new(Origins::of(resource)) }
    }

    /// Of a page on the list. One that is said to have a body is none; but most proxies ask without the headers that would say so, which is why
    /// [`PathRules::page`] wants a server behind that does nothing upon `OPTIONS`.
    fn is_preflight<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !headers.contains_key(TRANSFER_ENCODING);
        is_empty
            && is_preflight(request.method(), headers)
            && matches!(self.rules.origins().of_request(headers), Page::Listed(_))
    }

    /// Of a page that is not on the list, where there is one, nor the resource's own (RS-75).
    fn is_foreign<B>(&self, request: &Request<B>) -> bool {
        let of = |origins: &Origins| matches!(origins.of_request(request.headers()), Page::Foreign);
        !self.rules.origins().is_empty() && of(self.rules.origins()) && of(&self.own)
    }

    fn decide<B>(&self, request: &Request<B>) -> Answer {
        if self.is_foreign(request) {
            tracing::debug!(reason = "origin", "refused");
            let why = "pages of that origin may not call this server";
            return answer::plain(StatusCode::FORBIDDEN, "forbidden_origin", why);
        }
        if let Some(ProvenFor(proven)) = request.extensions().get()
            && proven.names_content()
        {
            // No proxy shows the body.
            tracing::debug!(reason = "proof_content", "proof refused");
            return self.challenge.refuse_proof(ErrorCode::InvalidDpopProof, &self.basic);
        }
        let Some(need) = self.rules.need(request.method(), request.uri().path()) else {
            return unknown();
        };
        let refused = request.extensions().get::<Refused>().map(|Refused(fault)| *fault);
        let caller = request.extensions().get::<Authorized>();
        if let Some(trail) = request.extensions().get::<Trail>() {
            trail.note(caller, |each| each(request.method().as_str(), Some(request.uri().path())));
        }
        let mut answer = match (caller, need) {
            (Some(caller), Need::Scopes(needed)) if !needed.iter().all(|scope| caller.covers(scope)) => {
                tracing::debug!(reason = "insufficient_scope", needed = %needed, "refused");
                return self.challenge.answer(Fault::Scope, &needed);
            }
            (Some(_), _) => answer::json(StatusCode::OK, ""),
            // Whoever sends a bad token is not anonymous (A-AUD-14).
            (None, Need::Nothing) if refused == Some(Fault::Missing) => answer::json(StatusCode::OK, ""),
            // A browser asks without a token whether its page may send one (RS-79).
            (None, _) if refused == Some(Fault::Missing) && self.is_preflight(request) => {
                answer::json(StatusCode::OK, "")
            }
            (None, need) => {
                let needed = match need {
                    Need::Scopes(needed) => needed,
                    Need::Nothing => ScopeSet::empty(),
                };
                let fault = refused.unwrap_or(Fault::Missing);
                return self.challenge.answer(fault, &needed.union(&self.basic));
            }
        };
        if let Some(caller) = caller {
            answer.extensions_mut().insert(caller.clone());
        }
        answer
    }
}

/// Nothing is guarded there, so nothing is let through.
pub(super) fn unknown() -> Answer {
    answer::plain(StatusCode::FORBIDDEN, "forbidden", "no protected resource is there")
}

impl<B> Service<Request<B>> for Decide {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.decide(&request)))
    }
}

/// A resource, whatever its verifier's type.
pub(super) trait Ask: Send + Sync {
    fn ask(&self, request: Request<Empty<Bytes>>) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}

impl<V: TokenVerifier> Ask for RequireBearer<Decide, V> {
    fn ask(&self, request: Request<Empty<Bytes>>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        // `Decide` is always ready, and with it this.
        let answer = self.clone().call(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            let (parts, body) = answer.into_parts();
            let Ok(body) = body.collect().await;
            Response::from_parts(parts, Full::new(body.to_bytes()))
        })
    }
}
