//! The inner service's answer, and the event that tells of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use oauth_core::{Event, EventKind, EventSink, Timestamp};
use pin_project_lite::pin_project;

use crate::answer::Reason;
use crate::audit::trail::Trail;

pin_project! {
    /// The future of [`Audit`](crate::Audit).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        trail: Trail,
        sink: Arc<dyn EventSink>,
        at: Timestamp,
        told: bool,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        // Whoever hangs up leaves no answer to tell of; what was asked for may have been done all the same.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.told {
                let reached = !this.trail.lock().operation.is_empty();
                let kind = if reached { EventKind::AccessAllowed } else { EventKind::AccessDenied };
                record(this.trail, &**this.sink, kind, Some("broken_off"), *this.at);
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, trail: Trail, sink: Arc<dyn EventSink>, at: Timestamp) -> Self {
        Self { inner, trail, sink, at, told: false }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let reason = response.extensions_mut().remove::<Reason>().map(|Reason(reason)| reason);
        let kind = match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => EventKind::Unavailable,
            StatusCode::TOO_MANY_REQUESTS => EventKind::Limited,
            status if status.is_success() || status.is_informational() || status.is_redirection() => {
                EventKind::AccessAllowed
            }
            _ => EventKind::AccessDenied,
        };
        let reason = match kind {
            EventKind::AccessAllowed => None,
            _ => Some(reason.unwrap_or("status")),
        };
        *this.told = true;
        record(this.trail, &**this.sink, kind, reason, *this.at);
        Poll::Ready(Ok(response))
    }
}

fn record(trail: &Trail, sink: &dyn EventSink, kind: EventKind, reason: Option<&'static str>, at: Timestamp) {
    let noted = trail.lock();
    let caller = noted.caller.as_ref();
    sink.record(&Event {
        subject: caller.map(|caller| caller.subject()),
        client_id: caller.map(|caller| caller.client_id()),
        grant: caller.and_then(|caller| caller.claims().grant.as_ref()),
        scopes: caller.map(|caller| caller.scopes()),
        operation: (!noted.operation.is_empty()).then_some(&*noted.operation),
        reason,
        ..Event::new(kind, at)
    });
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
