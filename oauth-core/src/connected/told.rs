//! One value from work in the background to who waits for it. The core has no runtime, and so none of its channels.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

struct Slot<T> {
    value: Option<T>,
    is_over: bool,
    waker: Option<Waker>,
}

/// For the work. Dropped without a word, it says that there will be none.
pub(super) struct Teller<T>(Arc<Mutex<Slot<T>>>);

/// For who waits. `None`: the work was broken off.
pub(super) struct Told<T>(Arc<Mutex<Slot<T>>>);

pub(super) fn channel<T>() -> (Teller<T>, Told<T>) {
    let slot = Arc::new(Mutex::new(Slot { value: None, is_over: false, waker: None }));
    (Teller(slot.clone()), Told(slot))
}

impl<T> Teller<T> {
    pub(super) fn tell(self, value: T) {
        lock(&self.0).value = Some(value);
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.is_over = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Told<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        if slot.is_over {
            return Poll::Ready(slot.value.take());
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Nothing under this lock can panic halfway through a change.
fn lock<T>(slot: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_is_heard_and_so_is_silence() {
        let (teller, told) = channel();
        let waits = tokio::spawn(told);
        tokio::task::yield_now().await;
        teller.tell(7);
        assert_eq!(waits.await.unwrap(), Some(7));
        let (teller, told) = channel::<()>();
        drop(teller);
        assert_eq!(told.await, None);
    }
}
