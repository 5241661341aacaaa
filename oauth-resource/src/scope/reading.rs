//! Reads a request's body to its end, up to a limit and for no longer than a while.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// A body that is being read.
    pub(crate) struct Reading<B> {
        #[pin]
        body: B,
        read: Read,
        patience: Patience,
    }
}

/// All of a body, and its trailers.
pub(crate) type Whole = (Bytes, Option<Box<HeaderMap>>);

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unreadable {
    TooLong,
    TooSlow,
    Broken,
}

/// What was read. Most bodies are one frame, which is passed on as it is.
#[derive(Default)]
struct Read {
    first: Bytes,
    // Boxed, both: hardly any request has some, and this is moved about.
    all: Option<Box<BytesMut>>,
    trailers: Option<Box<HeaderMap>>,
}

impl Read {
    fn len(&self) -> usize {
        self.all.as_ref().map_or(self.first.len(), |all| all.len())
    }

    fn push(&mut self, data: Bytes) {
        match &mut self.all {
            Some(all) => all.extend_from_slice(&data),
            None if self.first.is_empty() => self.first = data,
            None => {
                let mut all = BytesMut::with_capacity(self.first.len() + data.len());
                all.extend_from_slice(&self.first);
                all.extend_from_slice(&data);
                self.all = Some(Box::new(all));
            }
        }
    }

    fn take(&mut self) -> Whole {
        let data = self.all.take().map_or_else(|| std::mem::take(&mut self.first), |all| all.freeze());
        (data, self.trailers.take())
    }
}

/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long that of somebody without a good token is waited for, to name in the challenge what it asks for (RS-81).
pub(crate) const STRANGERS_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits for a body that is not there yet.
///
/// A server hands a body on only once somebody has asked for it: at the first look hardly any is there, at the second most are. No timer is
/// made before that. Outside of a tokio runtime there is none at all, and the host's own time-outs rule.
#[derive(Default)]
enum Patience {
    #[default]
    Fresh,
    /// Asked once, and to be asked again whether or not anything comes.
    Asked,
    Timed(Pin<Box<tokio::time::Sleep>>),
}

impl Patience {
    /// Ready once the time is over.
    fn poll(&mut self, within: Duration, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Fresh => {
                *self = Self::Asked;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Self::Asked if tokio::runtime::Handle::try_current().is_ok() => {
                *self = Self::Timed(Box::pin(tokio::time::sleep(within)));
            }
            _ => {}
        }
        match self {
            Self::Timed(sleep) => sleep.as_mut().poll(cx),
            _ => Poll::Pending,
        }
    }
}

impl<B: Body<Data = Bytes>> Reading<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, read: Read::default(), patience: Patience::default() }
    }

    /// Ready at its end.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        limit: usize,
        within: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Whole, Unreadable>> {
        let this = self.project();
        match read_all(this.body, this.read, limit, cx) {
            Poll::Pending => {
                ready!(this.patience.poll(within, cx));
                Poll::Ready(Err(Unreadable::TooSlow))
            }
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| this.read.take())),
        }
    }
}

fn read_all<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    read: &mut Read,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Unreadable>> {
    loop {
        let frame = match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(Ok(())),
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Err(Unreadable::Broken)),
        };
        match frame.into_data() {
            Ok(data) => {
                if data.len() > limit - read.len() {
                    return Poll::Ready(Err(Unreadable::TooLong));
                }
                read.push(data);
                // What has a length is at its end here; another look would only say so.
                if body.is_end_stream() {
                    return Poll::Ready(Ok(()));
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    read.trailers = Some(Box::new(trailers));
                }
            }
        }
    }
}
