//! The body of an answer: as it came, or cut.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

use crate::tailor::events::Events;
use crate::tailor::lists::Tailor;

pin_project! {
    /// What [`TailorAnswers`](crate::TailorAnswers) answers with: the inner service's body, cut where it holds a list.
    ///
    /// ```
    /// use http_body::Body as _;
    /// use http_body_util::Full;
    /// use oauth_resource::TailoredBody;
    ///
    /// let body: TailoredBody<Full<bytes::Bytes>> = TailoredBody::inner(Full::from("hello"));
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    pub struct TailoredBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Own { #[pin] body: Full<Bytes> },
        Whole { #[pin] body: B, read: BytesMut, tailor: Box<Tailor>, done: bool },
        Events { #[pin] body: B, events: Events, tailor: Box<Tailor>, done: bool },
    }
}

impl<B> TailoredBody<B> {
    /// The inner service's, as it is.
    pub const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(super) const fn own(body: Full<Bytes>) -> Self {
        Self { kind: Kind::Own { body } }
    }

    pub(super) fn whole(body: B, tailor: Tailor) -> Self {
        Self { kind: Kind::Whole { body, read: BytesMut::new(), tailor: Box::new(tailor), done: false } }
    }

    pub(super) fn events(body: B, tailor: Tailor) -> Self {
        Self { kind: Kind::Events { body, events: Events::default(), tailor: Box::new(tailor), done: false } }
    }
}

impl<B: Body<Data = Bytes>> Body for TailoredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Own { body } => {
                let frame = ready!(body.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})))
            }
            KindProjection::Whole { mut body, read, tailor, done } => {
                while !*done {
                    match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => {
                            let Ok(data) = frame.into_data() else { continue };
                            if data.len() > tailor.settings.max_list - read.len() {
                                *done = true;
                                tracing::warn!(
                                    "a list of the mcp server is too long to be cut, and is not shown"
                                );
                                return Poll::Ready(Some(Ok(Frame::data(tailor.refusal(read).into()))));
                            }
                            read.extend_from_slice(&data);
                        }
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => {
                            *done = true;
                            let whole = std::mem::take(read).freeze();
                            let cut = match tailor.cut(&whole) {
                                Ok(None) => whole,
                                Ok(Some(cut)) => cut.into(),
                                Err(_) => {
                                    tracing::warn!(
                                        "a list of the mcp server cannot be read, and is not shown"
                                    );
                                    tailor.refusal(&whole).into()
                                }
                            };
                            return Poll::Ready((!cut.is_empty()).then(|| Ok(Frame::data(cut))));
                        }
                    }
                }
                Poll::Ready(None)
            }
            KindProjection::Events { mut body, events, tailor, done } => {
                while !*done {
                    let out = match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) => events.push(&data, tailor),
                            Err(frame) => return Poll::Ready(Some(Ok(frame))),
                        },
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => {
                            *done = true;
                            // An event that is not whole is none, and a client ignores it.
                            return Poll::Ready(None);
                        }
                    };
                    if !out.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(out))));
                    }
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { body } => body.is_end_stream(),
            Kind::Whole { done, .. } | Kind::Events { done, .. } => *done,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { body } => body.size_hint(),
            Kind::Whole { .. } | Kind::Events { .. } => SizeHint::default(),
        }
    }
}

impl<B> std::fmt::Debug for TailoredBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TailoredBody").finish_non_exhaustive()
    }
}
