//! A request's body after it was looked at: the very same bytes, trailers and length (or the body itself, unread).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// What the inner service reads.
    ///
    /// ```
    /// use http_body::Body as _;
    /// use http_body_util::Full;
    /// use oauth_resource::PeekedBody;
    ///
    /// let body = PeekedBody::unread(Full::new(bytes::Bytes::from("hello")));
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    #[derive(Debug)]
    pub struct PeekedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Unread { #[pin] body: B },
        Read { data: Bytes, trailers: Option<Box<HeaderMap>> },
    }
}

impl<B> PeekedBody<B> {
    /// A body that nobody looked at.
    pub const fn unread(body: B) -> Self {
        Self { kind: Kind::Unread { body } }
    }

    /// What was read; `None`: nobody looked.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Unread { .. } => None,
            Kind::Read { data, .. } => Some(data),
        }
    }

    pub(crate) const fn read(data: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        Self { kind: Kind::Read { data, trailers } }
    }
}

impl<B: Body<Data = Bytes>> Body for PeekedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Unread { body } => body.poll_frame(cx),
            KindProjection::Read { data, trailers } => Poll::Ready(if data.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(*trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(data))))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Unread { body } => body.is_end_stream(),
            Kind::Read { data, trailers } => data.is_empty() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Unread { body } => body.size_hint(),
            Kind::Read { data, .. } => SizeHint::with_exact(data.len() as u64),
        }
    }
}
