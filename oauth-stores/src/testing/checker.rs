//! Holds a store to a history: who was told what, and is it true?

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use oauth_core::{
    CredentialKey, CredentialStatus, Exchange, Exchanged, GrantId, GrantStore, SealedReply, StoreError,
    Timestamp, TokenHash,
};

use super::history::{Call, History, Outcome, Recorded};
use super::verdict::{Promise, Verdict};

/// Holds `store` to the whole `history`, once nobody uses it any more. It presents again what was spent, which ends the grants.
///
/// 1. No credential was spent twice: nobody was told `Done` for it twice, and all replies for it were one.
/// 2. Nobody was told `Replayed` or `Gone` for an outage: something was the cause.
/// 3. What was acknowledged is there: the grant, the spent credential and all that it bought, the revocation.
/// 4. What was not acknowledged is there as a whole or not at all, and bought one successor at most.
/// 5. Nothing is live under a revoked grant, or without a grant; no grant is revoked without cause.
/// 6. What is spent buys nothing any more.
///
/// # Errors
/// The store's: it must be up.
pub async fn check(
    history: &History,
    store: &dyn GrantStore,
    promise: Promise,
    now: Timestamp,
) -> Result<Verdict, StoreError> {
    let calls = history.calls();
    let mut checker = Checker { promise, now, store, grants: BTreeMap::new(), verdict: Verdict::default() };
    for recorded in &calls {
        checker.count(recorded);
        checker.grants.entry(*recorded.call.grant()).or_default().push(recorded);
    }
    let grants = std::mem::take(&mut checker.grants);
    for (grant, calls) in &grants {
        checker.judge(*grant, calls).await?;
    }
    Ok(checker.verdict)
}

struct Checker<'a> {
    promise: Promise,
    now: Timestamp,
    store: &'a dyn GrantStore,
    grants: BTreeMap<GrantId, Vec<&'a Recorded>>,
    verdict: Verdict,
}

/// An exchange of the history.
#[derive(Clone, Copy)]
struct Traded<'a> {
    recorded: &'a Recorded,
    spent: TokenHash,
    issued: &'a [TokenHash],
    successor: Option<TokenHash>,
    request: TokenHash,
    reply: TokenHash,
    now: Timestamp,
    grace: std::time::Duration,
}

impl<'a> Traded<'a> {
    fn of(recorded: &'a Recorded) -> Option<Self> {
        let Call::Exchange { spent, issued, successor, request, reply, now, grace, .. } = &recorded.call
        else {
            return None;
        };
        Some(Self {
            recorded,
            spent: *spent,
            issued,
            successor: *successor,
            request: *request,
            reply: *reply,
            now: *now,
            grace: *grace,
        })
    }

    fn outcome(&self) -> Option<Outcome> {
        self.recorded.outcome
    }

    /// Nobody knows what became of it.
    fn is_open(&self) -> bool {
        matches!(self.outcome(), None | Some(Outcome::Unavailable))
    }

    /// Whether this one may have spent the credential.
    fn may_have_spent(&self) -> bool {
        self.is_open() || self.outcome() == Some(Outcome::Done)
    }
}

impl Checker<'_> {
    fn count(&mut self, recorded: &Recorded) {
        let verdict = &mut self.verdict;
        match (&recorded.call, recorded.outcome) {
            (Call::Open { .. }, outcome) => verdict.opened += usize::from(outcome == Some(Outcome::Done)),
            (Call::Revoke { .. }, outcome) => verdict.revoked += usize::from(outcome == Some(Outcome::Done)),
            (Call::Exchange { .. }, outcome) => {
                verdict.exchanges += 1;
                *match outcome {
                    Some(Outcome::Done) => &mut verdict.done,
                    Some(Outcome::Retried(_)) => &mut verdict.retried,
                    Some(Outcome::Replayed) => &mut verdict.replayed,
                    Some(Outcome::Gone) => &mut verdict.gone,
                    None => &mut verdict.unheard,
                    Some(_) => &mut verdict.unavailable,
                } += 1;
            }
        }
        if matches!(recorded.outcome, Some(Outcome::Conflict | Outcome::Corrupt)) {
            self.violation(recorded.call.grant(), format!("told {:?}", recorded.outcome));
        }
    }

    fn violation(&mut self, grant: &GrantId, what: impl fmt::Display) {
        self.verdict.violations.push(format!("grant {grant}: {what}"));
    }

    /// Something that was acknowledged is not there.
    fn loss(&mut self, grant: &GrantId, what: impl fmt::Display) {
        self.verdict.lost += 1;
        if self.promise == Promise::Keeps {
            self.violation(grant, what);
        }
    }

    async fn judge(&mut self, grant: GrantId, calls: &[&Recorded]) -> Result<(), StoreError> {
        let mut trades: BTreeMap<TokenHash, Vec<Traded<'_>>> = BTreeMap::new();
        for traded in calls.iter().filter_map(|recorded| Traded::of(recorded)) {
            trades.entry(traded.spent).or_default().push(traded);
        }
        let forgets = self.promise == Promise::MayForget;
        for traded in trades.values() {
            // After a failover the ledger may be some moments younger than its callers: whatever it says then is no outage taken for a refusal.
            if !forgets {
                self.judge_answers(&grant, traded, &trades, calls);
            }
        }
        self.judge_store(grant, calls, &trades).await
    }

    /// Rules 1 and 2: from what was said alone.
    fn judge_answers(
        &mut self,
        grant: &GrantId,
        traded: &[Traded<'_>],
        all: &BTreeMap<TokenHash, Vec<Traded<'_>>>,
        calls: &[&Recorded],
    ) {
        let done: Vec<_> = traded.iter().filter(|one| one.outcome() == Some(Outcome::Done)).collect();
        if done.len() > 1 {
            self.violation(grant, "a credential was spent twice");
        }
        let mut delivered: BTreeSet<TokenHash> = done.iter().map(|one| one.reply).collect();
        for one in traded {
            if let Some(Outcome::Retried(reply)) = one.outcome() {
                delivered.insert(reply);
                let made = |other: &Traded<'_>| {
                    other.reply == reply && other.request == one.request && other.may_have_spent()
                };
                if !traded.iter().any(made) {
                    self.violation(grant, "a retry got a reply that nobody's exchange had made");
                }
            }
        }
        if delivered.len() > 1 {
            self.violation(grant, "a credential bought two different successors");
        }
        for one in traded {
            let before = |other: &Traded<'_>| other.recorded.began < one.recorded.ended;
            match one.outcome() {
                Some(Outcome::Replayed) => {
                    let others = traded.iter().filter(|other| other.recorded.began != one.recorded.began);
                    let mut spenders =
                        others.filter(|other| other.may_have_spent() && before(other)).peekable();
                    if spenders.peek().is_none() {
                        self.violation(grant, "told `Replayed`, and nobody had spent the credential");
                    } else if spenders.all(|first| is_plain_retry(one, first, all)) {
                        self.violation(grant, "told `Replayed`, and it was a retry within the window");
                    }
                }
                Some(Outcome::Gone) => {
                    let was_there = is_delivered(one, calls, all);
                    let caused =
                        calls.iter().any(|call| call.began < one.recorded.ended && may_revoke(call, all));
                    if was_there && !caused {
                        self.violation(grant, "told `Gone`, and the credential was there");
                    }
                }
                _ => {}
            }
        }
    }

    /// Rules 3 to 6: from what the store shows.
    async fn judge_store(
        &mut self,
        grant: GrantId,
        calls: &[&Recorded],
        trades: &BTreeMap<TokenHash, Vec<Traded<'_>>>,
    ) -> Result<(), StoreError> {
        let stored = self.store.grant(&grant).await?;
        let mut shown = HashMap::new();
        for call in calls {
            let hashes: Vec<_> = match &call.call {
                Call::Open { first, .. } => first.clone(),
                Call::Exchange { spent, issued, .. } => issued.iter().copied().chain([*spent]).collect(),
                Call::Revoke { .. } => continue,
            };
            for hash in hashes {
                if let std::collections::hash_map::Entry::Vacant(place) = shown.entry(hash) {
                    place.insert(self.store.find(&CredentialKey { grant, hash }).await?);
                }
            }
        }
        let there = |hash: &TokenHash| shown.get(hash).is_some_and(Option::is_some);

        for call in calls {
            match (&call.call, call.outcome) {
                (Call::Open { first, .. }, outcome) => {
                    // Its own credentials, whatever became of them later, are kept until they expire.
                    let whole = stored.is_some() && first.iter().all(there);
                    let nothing = stored.is_none() && !first.iter().any(there);
                    match outcome {
                        Some(Outcome::Done) if !whole => self.loss(&grant, "an acknowledged grant is gone"),
                        _ if !whole && !nothing => self.violation(&grant, "a grant is half-open"),
                        Some(Outcome::Done) => {}
                        _ => self.verdict.done_unheard += usize::from(whole),
                    }
                }
                (Call::Revoke { .. }, Some(Outcome::Done))
                    if stored.as_ref().is_some_and(|grant| grant.revoked_at.is_none()) =>
                {
                    self.loss(&grant, "an acknowledged revocation is gone");
                }
                _ => {}
            }
        }
        let replayed = calls.iter().any(|call| call.outcome == Some(Outcome::Replayed));
        if let Some(stored) = &stored {
            if stored.revoked_at.is_none() && replayed {
                self.loss(&grant, "a replay did not revoke");
            }
            let caused = calls.iter().any(|call| may_revoke(call, trades));
            if stored.revoked_at.is_some() && !caused && self.promise == Promise::Keeps {
                self.violation(&grant, "the grant is revoked, and nothing was the cause");
            }
        }

        let mut respent = Vec::new();
        for (spent, traded) in trades {
            let is_spent = match shown.get(spent).and_then(Option::as_ref) {
                Some(found) => found.spent.is_some(),
                None => {
                    if traded.iter().any(|one| one.issued.iter().any(there)) {
                        self.violation(&grant, "something was bought with a credential that is not there");
                    }
                    continue;
                }
            };
            let mut bought = 0;
            for one in traded {
                let stored = one.issued.iter().filter(|hash| there(hash)).count();
                let whole = stored == one.issued.len();
                if !whole && stored > 0 {
                    self.violation(&grant, "an exchange is half-written");
                }
                bought += usize::from(whole);
                match one.outcome() {
                    Some(Outcome::Done) if !whole || !is_spent => {
                        self.loss(&grant, "an acknowledged exchange is gone");
                    }
                    Some(Outcome::Retried(_) | Outcome::Replayed | Outcome::Gone) if whole => {
                        self.violation(&grant, "what a refused exchange would have issued is there");
                    }
                    None | Some(Outcome::Unavailable) => self.verdict.done_unheard += usize::from(whole),
                    _ => {}
                }
            }
            if bought > 1 {
                self.violation(&grant, "a credential bought two successors, and both are there");
            } else if is_spent != (bought == 1) {
                self.violation(&grant, "a credential is spent for nothing, or bought something unspent");
            }
            if is_spent {
                respent.push(*spent);
            }
        }

        for found in shown.values().flatten() {
            if stored.is_none() {
                self.violation(&grant, "a credential is there without its grant");
            } else if found.status(self.now) == CredentialStatus::Live
                && stored.as_ref().is_some_and(|grant| grant.revoked_at.is_some())
            {
                self.violation(&grant, "a credential is live under a revoked grant");
            }
        }
        // Last, since it revokes: who presents again what was spent gets nothing for it.
        for hash in respent {
            if self.buys_again(CredentialKey { grant, hash }).await? {
                self.violation(&grant, "a spent credential buys again");
            }
        }
        Ok(())
    }

    async fn buys_again(&self, spent: CredentialKey) -> Result<bool, StoreError> {
        let reply =
            SealedReply::from_parts(TokenHash::of("somebody else's request"), *b"somebody else's reply");
        let exchange = Exchange {
            spent: &spent,
            issued: &[],
            reply,
            now: self.now,
            grace: std::time::Duration::from_secs(120),
        };
        Ok(!matches!(self.store.exchange(exchange).await?, Exchanged::Replayed | Exchanged::Gone))
    }
}

/// Whether `one` is nothing but a repetition of `first`: the same request, within the window, and nobody has used the successor.
fn is_plain_retry(one: &Traded<'_>, first: &Traded<'_>, all: &BTreeMap<TokenHash, Vec<Traded<'_>>>) -> bool {
    let apart = one.now.since(first.now).max(first.now.since(one.now));
    let used = first
        .successor
        .and_then(|successor| all.get(&successor))
        .is_some_and(|uses| uses.iter().any(|other| other.recorded.began < one.recorded.ended));
    apart < one.grace && one.request == first.request && !used
}

/// Whether somebody had been told, before `one` began, that its credential is there.
fn is_delivered(one: &Traded<'_>, calls: &[&Recorded], all: &BTreeMap<TokenHash, Vec<Traded<'_>>>) -> bool {
    let opened = calls.iter().any(|call| {
        matches!(&call.call, Call::Open { first, .. } if first.contains(&one.spent))
            && call.outcome == Some(Outcome::Done)
            && call.ended < one.recorded.began
    });
    opened
        || all.values().flatten().any(|other| {
            other.successor == Some(one.spent)
                && other.outcome() == Some(Outcome::Done)
                && other.recorded.ended < one.recorded.began
        })
}

/// Whether a call may have ended its grant.
fn may_revoke(call: &Recorded, all: &BTreeMap<TokenHash, Vec<Traded<'_>>>) -> bool {
    match (&call.call, call.outcome) {
        (Call::Revoke { .. }, _) | (Call::Exchange { .. }, Some(Outcome::Replayed)) => true,
        // Nobody heard how it ended: it was a replay, if somebody else had presented the same, and it was no retry.
        (Call::Exchange { spent, .. }, None | Some(Outcome::Unavailable)) => {
            let (Some(one), Some(uses)) = (Traded::of(call), all.get(spent)) else { return false };
            uses.iter().any(|other| {
                let is_other = other.recorded.began != call.began && other.recorded.began < call.ended;
                is_other && !is_plain_retry(&one, other, all)
            })
        }
        _ => false,
    }
}
