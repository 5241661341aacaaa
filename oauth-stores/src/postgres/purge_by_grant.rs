//! Removing what has ended, one grant at a time: for an engine that spreads the tables over nodes by the grant, and does not lock rows of
//! many nodes in one statement. The promises are those of `purge`; what differs is a round trip or four for each grant.

use oauth_core::{StoreError, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};

use crate::postgres::PostgresStore;
use crate::postgres::fault;
use crate::postgres::pool::Pool;
use crate::postgres::purge::{ENDED, REPLY_SLACK, column, has_turn};
use crate::postgres::row::millis;

// Which to look at; nothing is locked, so any of them may have changed when its turn comes.
const EXPIRED: &str =
    "SELECT grant_id FROM oauth.credentials WHERE expires_at < $1 ORDER BY expires_at LIMIT 500";
const REPLIED: &str =
    "SELECT grant_id FROM oauth.spent WHERE reply_until < $1 ORDER BY reply_until LIMIT 500";

// Of one grant: `$1`.
const EXPIRED_OF: &str = "SELECT hash FROM oauth.credentials WHERE grant_id = $1 AND expires_at < $2 LIMIT 2000 FOR UPDATE SKIP LOCKED";
const ALL_OF: &str =
    "SELECT hash FROM oauth.credentials WHERE grant_id = $1 LIMIT 2000 FOR UPDATE SKIP LOCKED";
const UNSPEND: &str = "DELETE FROM oauth.spent WHERE grant_id = $1 AND hash = ANY($2)";
const REMOVE: &str = "DELETE FROM oauth.credentials WHERE grant_id = $1 AND hash = ANY($2)";
const EMPTY: &str = "DELETE FROM oauth.grants g WHERE g.id = $1
    AND NOT EXISTS (SELECT 1 FROM oauth.credentials c WHERE c.grant_id = $1)";
const FORGET: &str = "DELETE FROM oauth.spent WHERE grant_id = $1";
const REPLIES_OF: &str =
    "UPDATE oauth.spent SET reply_until = NULL, successor = NULL, request = NULL, sealed = NULL
    WHERE grant_id = $1 AND reply_until < $2";

/// Those that choose, and those of one grant, to be looked at.
#[cfg(test)]
pub(super) const CHOOSE: [(&str, &str); 3] = [("EXPIRED", EXPIRED), ("REPLIED", REPLIED), ("ENDED", ENDED)];

#[cfg(test)]
pub(super) const OF_ONE: [(&str, &str); 7] = [
    ("EXPIRED_OF", EXPIRED_OF),
    ("ALL_OF", ALL_OF),
    ("UNSPEND", UNSPEND),
    ("REMOVE", REMOVE),
    ("EMPTY", EMPTY),
    ("FORGET", FORGET),
    ("REPLIES_OF", REPLIES_OF),
];

/// What of a grant goes.
#[derive(Clone, Copy)]
enum What {
    Replies,
    Expired,
    All,
}

impl What {
    /// Which grants to look at.
    const fn choose(self) -> &'static str {
        match self {
            Self::Replies => REPLIED,
            Self::Expired => EXPIRED,
            Self::All => ENDED,
        }
    }
}

impl PostgresStore {
    pub(super) async fn purge_grants_each(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_each(What::Replies, before.before(REPLY_SLACK)).await?;
        let expired = self.purge_each(What::Expired, before).await?;
        Ok(expired + self.purge_each(What::All, before).await?)
    }

    /// One grant after another, until none is left that anything can be taken from. How many rows are gone.
    async fn purge_each(&self, what: What, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let chosen = || self.pool.statement(what.choose()).bind(millis(before));
            let mut grants = column(&self.pool.rows(chosen).await?, 0).map_err(fault::port)?;
            grants.sort_unstable();
            grants.dedup();
            let mut gone = 0;
            for grant in &grants {
                gone += self.purge_of(grant, what, before).await?;
            }
            removed += gone;
            // What is left is being spent, or another server has the turn.
            if gone == 0 {
                return Ok(removed);
            }
        }
    }

    /// How many rows of a grant are gone.
    async fn purge_of(&self, grant: &[u8], what: What, before: Timestamp) -> Result<u64, StoreError> {
        self.pool
            .transact(|connection| {
                let (pool, grant) = (self.pool.clone(), grant.to_vec());
                Box::pin(async move {
                    if !has_turn(&pool, connection).await? {
                        return Ok(0);
                    }
                    let statement = match what {
                        What::Replies => {
                            let replies = pool.statement(REPLIES_OF).bind(grant).bind(millis(before));
                            return Ok(replies.execute(connection).await?.rows_affected());
                        }
                        What::Expired => pool.statement(EXPIRED_OF).bind(&grant[..]).bind(millis(before)),
                        What::All => pool.statement(ALL_OF).bind(&grant[..]),
                    };
                    let locked = statement.fetch_all(&mut *connection).await?;
                    remove(&pool, connection, &grant, &locked).await
                })
            })
            .await
    }
}

/// Removes credentials that are locked, and the grant if it is left with none. How many rows.
async fn remove(
    pool: &Pool,
    connection: &mut PgConnection,
    grant: &[u8],
    locked: &[PgRow],
) -> Result<u64, sqlx::Error> {
    let hashes = column(locked, 0)?;
    let unspend = pool.statement(UNSPEND).bind(grant).bind(hashes.clone());
    unspend.execute(&mut *connection).await?;
    let credentials = pool.statement(REMOVE).bind(grant).bind(hashes).execute(&mut *connection).await?;
    let grants = pool.statement(EMPTY).bind(grant).execute(&mut *connection).await?;
    if grants.rows_affected() > 0 {
        pool.statement(FORGET).bind(grant).execute(connection).await?;
    }
    Ok(credentials.rows_affected() + grants.rows_affected())
}
