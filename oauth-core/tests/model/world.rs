//! A store, the callers who are on their way, and the history that both are held to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oauth_core::{
    CredentialKind, CredentialStatus, Exchange, Exchanged, Found, GrantStore, Revocation, SealedReply,
    StoreError, TokenHash,
};

use crate::act::{Act, Bounds, CALLERS, GRACE, Instant, Name, grant};
use crate::reference::{Answer, Reference, Root};

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    Idle,
    /// It has judged its snapshot, and called `exchange` so many times without an answer.
    Admitted {
        name: Name,
        now: Instant,
        polls: u8,
    },
}

/// What tells one state from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) reference: Reference,
    pub(crate) callers: [Caller; CALLERS],
    pub(crate) clock: Instant,
    /// How much may still happen.
    left: Bounds,
    /// Which names were tried as a successor: those that were not bought must not be there.
    tried: u64,
}

type Call<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

pub(crate) struct World {
    store: Arc<dyn GrantStore>,
    pub(crate) state: State,
    calls: [Option<Call<Exchanged>>; CALLERS],
    /// For each name, who got a reply for it and whose reply that was.
    done: [Option<usize>; 40],
}

fn poll<T>(call: &mut Call<T>) -> Option<Result<T, StoreError>> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Runs a call that waits for nobody.
fn now<T>(mut call: Call<T>) -> Result<T, String> {
    let result = (0..1000).find_map(|_| poll(&mut call)).ok_or("a call does not come to its end")?;
    result.map_err(|error| format!("the store failed: {error}"))
}

/// The reply that was made for a caller.
fn reply(caller: usize) -> SealedReply {
    let request = if caller == CALLERS - 1 { "something else" } else { "the client's request" };
    SealedReply::from_parts(TokenHash::of(request), [caller as u8])
}

impl World {
    pub(crate) fn new(store: Arc<dyn GrantStore>, root: Root, bounds: Bounds) -> Self {
        let state = State {
            reference: Reference::new(root),
            callers: [Caller::Idle; CALLERS],
            clock: Instant::default(),
            left: bounds,
            tried: 0,
        };
        let opened = store.clone();
        let first = Name::ROOT.credential(root, Instant::default());
        now(Box::pin(async move { opened.open(&grant(), &[first]).await })).unwrap();
        Self { store, state, calls: [None, None, None], done: [None; 40] }
    }

    /// Does one step. `Err`: what was promised otherwise.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Present(caller, name) => self.present(caller, name),
            Act::GoOn(caller) => self.go_on(caller),
            Act::Revoke => {
                let (store, clock) = (self.store.clone(), self.state.clock);
                now(Box::pin(
                    async move { store.revoke(Revocation::Grant(&grant().id), clock.time()).await },
                ))?;
                self.state.reference.revoke(clock);
                self.state.left.revocations -= 1;
                Ok(())
            }
            Act::Purge => {
                let (store, clock) = (self.store.clone(), self.state.clock);
                now(Box::pin(async move { store.purge(clock.time()).await }))?;
                self.state.reference.purge(clock);
                self.state.left.purges -= 1;
                Ok(())
            }
            Act::Tick => {
                self.state.clock.0 += 1;
                Ok(())
            }
            Act::StepBack => {
                self.state.clock.0 -= 1;
                self.state.left.steps_back -= 1;
                Ok(())
            }
        }
    }

    fn find(&self, key: oauth_core::CredentialKey) -> Result<Option<Found>, String> {
        let store = self.store.clone();
        now(Box::pin(async move { store.find(&key).await }))
    }

    fn present(&mut self, caller: usize, name: Name) -> Result<(), String> {
        let clock = self.state.clock;
        self.state.left.presentations[caller] -= 1;
        let found = self.find(name.key())?;
        // As the server judges it: revoked is over, and so is what has expired unspent.
        let is_admitted = found.is_some_and(|found| {
            let over = found.credential.is_expired(clock.time()) || clock.time() >= found.grant.expires_at;
            found.grant.revoked_at.is_none() && (found.spent.is_some() || !over)
        });
        if is_admitted != self.state.reference.admits(name, clock) {
            return Err(format!(
                "find: {} is wrongly {}",
                name.0,
                if is_admitted { "shown" } else { "refused" }
            ));
        }
        if is_admitted {
            self.state.callers[caller] = Caller::Admitted { name, now: clock, polls: 0 };
        }
        Ok(())
    }

    fn go_on(&mut self, caller: usize) -> Result<(), String> {
        let Caller::Admitted { name, now, polls } = self.state.callers[caller] else {
            return Err("nobody is on their way".to_owned());
        };
        let root = self.state.reference.root;
        let successor = name.successor(caller);
        let call = match &mut self.calls[caller] {
            Some(call) => call,
            empty => {
                let store = self.store.clone();
                let issued = [successor.access(now), successor.credential(root, now)];
                let is_code = name.kind(root) == CredentialKind::AuthorizationCode;
                let grace = if is_code { Duration::ZERO } else { GRACE };
                self.state.tried |= 1 << successor.0;
                empty.insert(Box::pin(async move {
                    let (spent, now) = (&name.key(), now.time());
                    store
                        .exchange(Exchange { spent, issued: &issued, reply: reply(caller), now, grace })
                        .await
                }))
            }
        };
        let Some(result) = poll(call) else {
            self.state.callers[caller] = Caller::Admitted { name, now, polls: polls + 1 };
            return Ok(());
        };
        self.calls[caller] = None;
        self.state.callers[caller] = Caller::Idle;
        let answer = match result.map_err(|error| format!("exchange: {error}"))? {
            Exchanged::Done => Answer::Done,
            Exchanged::Retried(reply) => Answer::Retried(usize::from(reply.sealed()[0])),
            Exchanged::Replayed => Answer::Replayed,
            Exchanged::Gone => Answer::Gone,
        };
        self.judge(name, answer)?;
        let allowed = self.state.reference.allowed(name, caller, now);
        if !allowed.contains(&answer) {
            return Err(format!("exchange of {}: {answer:?}, where the promise is {allowed:?}", name.0));
        }
        if answer == Answer::Done {
            self.done[usize::from(name.0)] = Some(caller);
        }
        self.state.reference.exchanged(name, caller, now, answer);
        Ok(())
    }

    /// What must hold whatever the reference says: from the history of answers alone.
    fn judge(&self, name: Name, answer: Answer) -> Result<(), String> {
        let done = self.done[usize::from(name.0)];
        match (answer, done) {
            (Answer::Done, Some(_)) => Err(format!("{} was spent twice", name.0)),
            (Answer::Retried(by), Some(first)) if by != first => {
                Err(format!("{} bought two different successors", name.0))
            }
            (Answer::Retried(_), None) => Err(format!("{} is retried, and was never spent", name.0)),
            _ => Ok(()),
        }
    }

    /// Holds all that the store shows to the reference.
    pub(crate) fn look(&self) -> Result<(), String> {
        let State { reference, clock, tried, .. } = &self.state;
        for at in (0..40).filter(|at| *at == 0 || tried & (1 << at) != 0) {
            let name = Name(at);
            let spent = reference.slot(name).spent;
            let found = self.find(name.key())?;
            if found.is_some() != reference.shows(name) {
                return Err(format!("{at} is {} the store", if found.is_some() { "in" } else { "not in" }));
            }
            if let Some(found) = found {
                self.look_at(&found)?;
                if found.spent.map(|spent| spent.at) != spent.map(|spent| spent.at.time()) {
                    return Err(format!("{at} is shown as spent {:?}, where it was {spent:?}", found.spent));
                }
            }
            if name == Name::ROOT {
                continue;
            }
            let access = self.find(name.access_key())?;
            if access.is_some() != reference.shows_access(name) {
                let is = if access.is_some() { "in" } else { "not in" };
                return Err(format!("the access token of {at} is {is} the store"));
            }
            if let Some(found) = access {
                self.look_at(&found)?;
                if reference.revoked.is_some() && found.status(clock.time()) == CredentialStatus::Live {
                    return Err(format!("the access token of {at} is live under a revoked grant"));
                }
            }
        }
        Ok(())
    }

    fn look_at(&self, found: &Found) -> Result<(), String> {
        let revoked = self.state.reference.revoked.map(Instant::time);
        if found.grant.revoked_at != revoked {
            return Err(format!(
                "the grant is shown as revoked {:?}, where it was {revoked:?}",
                found.grant.revoked_at
            ));
        }
        Ok(())
    }
}

impl State {
    /// All that can happen next.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for (caller, at) in self.callers.iter().enumerate() {
            match at {
                Caller::Admitted { .. } => acts.push(Act::GoOn(caller)),
                Caller::Idle if self.left.presentations[caller] > 0 => {
                    let delivered = (0..40).map(Name).filter(|name| {
                        self.reference.slot(*name).issued.is_some() && name.depth() <= self.left.deepest
                    });
                    acts.extend(delivered.map(|name| Act::Present(caller, name)));
                }
                Caller::Idle => {}
            }
        }
        // Nobody acts any more: what else may happen changes nothing for anybody.
        let is_over = acts.is_empty();
        let may = |left: u8| left > 0 && !is_over;
        acts.extend(may(self.left.revocations).then_some(Act::Revoke));
        acts.extend(may(self.left.purges).then_some(Act::Purge));
        acts.extend(
            may(self.left.instants - 1 - self.clock.0.min(self.left.instants - 1)).then_some(Act::Tick),
        );
        acts.extend((may(self.left.steps_back) && self.clock.0 > 0).then_some(Act::StepBack));
        acts
    }
}
