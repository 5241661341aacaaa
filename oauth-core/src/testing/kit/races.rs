//! What the ledger promises when many come at once. Each race is run in rounds behind a barrier: one round may pass a racy
//! store by luck.

use std::time::Duration;

use super::scene::{
    Answered as _, NOW, RACERS, ROUNDS, SECOND, Trade, access, code, found, grant, race, refresh, revoked_at,
    status,
};
use crate::grant::{Credential, Grant};
use crate::store::{CredentialStatus, Exchanged, GrantStore, Ledger, Revocation, StoreError, Stores};

/// Makes all trades at once.
async fn traded(store: &Ledger, trades: &[Trade]) -> Vec<Exchanged> {
    let trading = |trade: &Trade| {
        let (store, trade) = (store.clone(), trade.clone());
        async move { trade.make(&*store).await.answered() }
    };
    race(trades.iter().map(trading).collect()).await
}

/// The one trade that was done.
fn winner<'a>(trades: &'a [Trade], results: &[Exchanged]) -> &'a Trade {
    let mut done = trades.iter().zip(results).filter(|(_, result)| **result == Exchanged::Done);
    match (done.next(), done.next()) {
        (Some((winner, _)), None) => winner,
        (None, _) => panic!("exchange: of many at once one is done, not none"),
        (Some(_), Some(_)) => panic!("exchange: of many at once one is done, not several"),
    }
}

async fn opened(store: &dyn GrantStore, credential: impl Fn(&Grant) -> Credential) -> (Grant, Credential) {
    let grant = grant();
    let credential = credential(&grant);
    store.open(&grant, std::slice::from_ref(&credential)).await.answered();
    (grant, credential)
}

pub(crate) async fn of_many_redemptions_at_once_one_is_done(stores: Stores) {
    // AS-59, A-CODE-2
    let store = stores.grants;
    for _ in 0..ROUNDS {
        let (grant, code) = opened(&*store, code).await;
        let trades: Vec<_> = (0..RACERS).map(|_| Trade::new(&code, &grant).within(Duration::ZERO)).collect();
        let results = traded(&store, &trades).await;
        let winner = winner(&trades, &results);
        assert!(
            results.contains(&Exchanged::Replayed)
                && results.iter().all(|result| !matches!(result, Exchanged::Retried(_))),
            "exchange: without grace the others are replays, and then gone"
        );
        assert!(revoked_at(&*store, &grant).await.is_some(), "exchange: a replay revokes the grant");
        for trade in &trades {
            if trade.spent == winner.spent && trade.reply == winner.reply {
                for issued in &trade.issued {
                    let status = status(&*store, issued, NOW).await;
                    assert_eq!(
                        status,
                        CredentialStatus::Revoked,
                        "exchange: what was bought is revoked by the replay"
                    );
                }
            } else {
                assert_eq!(
                    trade.stored(&*store).await,
                    0,
                    "exchange: what the others brought along does not exist"
                );
            }
        }
    }
}

pub(crate) async fn of_many_refreshes_at_once_all_get_one_reply(stores: Stores) {
    // REF-4, A-RT-2
    let store = stores.grants;
    for _ in 0..ROUNDS {
        let (grant, token) = opened(&*store, refresh).await;
        let trades: Vec<_> = (0..RACERS).map(|_| Trade::new(&token, &grant)).collect();
        let results = traded(&store, &trades).await;
        let winner = winner(&trades, &results);
        for result in results.iter().filter(|result| **result != Exchanged::Done) {
            let same = Exchanged::Retried(winner.reply.clone());
            assert_eq!(*result, same, "exchange: within the grace window all get the one reply");
        }
        let mut stored = 0;
        for trade in &trades {
            stored += trade.stored(&*store).await;
        }
        assert_eq!(stored, winner.issued.len(), "exchange: one successor, never two branches");
        let successor = status(&*store, winner.successor(), NOW).await;
        assert_eq!(successor, CredentialStatus::Live, "exchange: the one successor is live");
    }
}

pub(crate) async fn an_exchange_that_races_a_revocation_leaves_nothing_live(stores: Stores) {
    // AS-59, REF-4
    enum Ran {
        Traded(Exchanged),
        Revoked(u64),
    }
    let store = stores.grants;
    for _ in 0..ROUNDS {
        let (grant, token) = opened(&*store, refresh).await;
        let trades: Vec<_> = (0..RACERS).map(|_| Trade::new(&token, &grant)).collect();
        let racing = |(at, trade): (usize, &Trade)| {
            let (store, trade, id) = (store.clone(), trade.clone(), grant.id);
            async move {
                if at % 8 == 0 {
                    Ran::Revoked(store.revoke(Revocation::Grant(&id), NOW).await.answered())
                } else {
                    Ran::Traded(trade.make(&*store).await.answered())
                }
            }
        };
        let (mut done, mut revoked) = (0, 0);
        for ran in race(trades.iter().enumerate().map(racing).collect()).await {
            match ran {
                Ran::Revoked(count) => revoked += count,
                Ran::Traded(Exchanged::Replayed) => {
                    panic!("exchange: a revocation makes no replay of a retry")
                }
                Ran::Traded(exchanged) => done += usize::from(exchanged == Exchanged::Done),
            }
        }
        assert_eq!(revoked, 1, "revoke: of many at once one counts the grant");
        assert!(done <= 1, "exchange: of many at once one is done");
        assert!(revoked_at(&*store, &grant).await.is_some(), "revoke: no exchange undoes a revocation");
        for trade in &trades {
            for issued in &trade.issued {
                let found = store.find(&issued.key).await.answered();
                let live = found.is_some_and(|found| found.status(NOW) == CredentialStatus::Live);
                assert!(!live, "exchange: nothing that was issued outlives a revocation");
            }
        }
        let late = Trade::new(&token, &grant).make(&*store).await.answered();
        assert_eq!(late, Exchanged::Gone, "exchange: after the revocation all is gone");
    }
}

pub(crate) async fn an_exchange_that_races_a_purge_keeps_what_it_bought(stores: Stores) {
    enum Ran {
        Traded(Exchanged),
        Purged,
    }
    let store = stores.grants;
    for _ in 0..ROUNDS {
        let mut trades = Vec::new();
        for _ in 1..RACERS {
            let grant = grant();
            // The grant's only credential has just expired: in a moment the purge finds the grant empty, or not.
            let mut last = refresh(&grant);
            last.expires_at = NOW;
            store.open(&grant, std::slice::from_ref(&last)).await.answered();
            trades.push(Trade::new(&last, &grant));
        }
        let racing = |trade: Option<&Trade>| {
            let (store, trade) = (store.clone(), trade.cloned());
            async move {
                match trade {
                    Some(trade) => Ran::Traded(trade.make(&*store).await.answered()),
                    None => {
                        store.purge(NOW + SECOND).await.answered();
                        Ran::Purged
                    }
                }
            }
        };
        let racers = [None].into_iter().chain(trades.iter().map(Some)).map(racing).collect();
        let ran = race(racers).await;
        for (trade, ran) in trades.iter().zip(&ran[1..]) {
            let wanted = match ran {
                Ran::Traded(Exchanged::Done) => trade.issued.len(),
                Ran::Traded(Exchanged::Gone) => 0,
                Ran::Traded(other) => panic!("exchange: beside a purge this is done or gone, not {other:?}"),
                Ran::Purged => unreachable!("the purge goes first in the list"),
            };
            let stored = trade.stored(&*store).await;
            assert_eq!(
                stored, wanted,
                "purge: what an exchange bought is kept, though the spent one expired"
            );
        }
    }
}

pub(crate) async fn of_many_that_open_one_grant_at_once_one_does(stores: Stores) {
    let store = stores.grants;
    for _ in 0..ROUNDS {
        let id = grant().id;
        let grants: Vec<_> = (0..RACERS).map(|_| Grant { id, ..grant() }).collect();
        let opening = |grant: &Grant| {
            let (store, grant, token) = (store.clone(), grant.clone(), access(grant));
            async move { (store.open(&grant, std::slice::from_ref(&token)).await, grant, token) }
        };
        let mut opened = Vec::new();
        for (result, grant, token) in race(grants.iter().map(opening).collect()).await {
            match result {
                Ok(()) => opened.push((grant, token)),
                Err(StoreError::Conflict) => {
                    assert_eq!(
                        store.find(&token.key).await.answered(),
                        None,
                        "open: who came late wrote nothing"
                    );
                }
                Err(other) => panic!("open: of many at once the others are a `Conflict`, not {other:?}"),
            }
        }
        let [(winner, token)] = &*opened else {
            panic!("open: of many at once one opens the grant, not {}", opened.len());
        };
        let found = found(&*store, &token.key).await;
        assert_eq!(
            (&found.grant, &found.credential),
            (winner, token),
            "open: what the one wrote is not overwritten"
        );
    }
}
