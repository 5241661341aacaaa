//! The engines, filled.

use std::any::Any;
use std::sync::Arc;

use oauth_core::{GrantStore, MemoryStore};

use crate::ledger;

/// A store with so many grants, and what must live as long.
pub(crate) type Loaded = (Arc<dyn GrantStore>, Box<dyn Any + Send>);

pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// A store with so many grants, as [`ledger`] makes them.
    fn loaded(&self, grants: usize) -> impl Future<Output = Loaded>;
}

/// How many open grants at once.
const HANDS: usize = 256;

/// Opens the grants by the port, many at once.
async fn open(store: &Arc<dyn GrantStore>, grants: usize) {
    let hands: Vec<_> = (0..HANDS)
        .map(|hand| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (hand..grants).step_by(HANDS) {
                    let (grant, token) = ledger::session(number);
                    store.open(&grant, &[token]).await.expect("the store has room");
                }
            })
        })
        .collect();
    for hand in hands {
        hand.await.expect("the grants are opened");
    }
}

pub(crate) struct Memory;

impl Engine for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let store: Arc<dyn GrantStore> = Arc::new(MemoryStore::default());
        open(&store, grants).await;
        (store, Box::new(()))
    }
}

#[cfg(feature = "sqlite")]
pub(crate) struct Sqlite;

#[cfg(feature = "sqlite")]
impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
        let store = oauth_stores::SqliteStore::open(folder.path().join("oauth.sqlite"));
        let store: Arc<dyn GrantStore> = Arc::new(store.expect("the file is new"));
        open(&store, grants).await;
        (store, Box::new(folder))
    }
}

#[cfg(all(unix, feature = "postgres"))]
pub(crate) struct Postgres(oauth_stores::testing::TestPostgres);

#[cfg(all(unix, feature = "postgres"))]
impl Postgres {
    /// A durable server, unless PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        use oauth_stores::testing::{TestPostgres, available};
        available(TestPostgres::own()).map(Self)
    }
}

#[cfg(all(unix, feature = "postgres"))]
impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        use oauth_stores::sqlx::{AssertSqlSafe, raw_sql};
        let url = self.0.fresh_database().expect("the server has room");
        let store = oauth_stores::PostgresStore::open(&url).await.expect("the server is up");
        let (now, later) = (ledger::NOW.as_millis(), ledger::NOW.as_millis() + 90 * 86_400_000);
        // In one statement, as `ledger` makes them; then what the server does by itself in a quiet hour.
        let fill = format!(
            "INSERT INTO oauth.grants (id, subject, client_id, scopes, resources, issued_at, expires_at)
            SELECT substring(sha256(convert_to('g' || n, 'UTF8')) FOR 16), 'user-' || n, 'app-' || n % 50, 'notes:read notes:write',
                'https://mcp.example/mcp', {now}, CASE WHEN n % {} = 0 THEN {now} ELSE {later} END FROM generate_series(0, {}) n;
            INSERT INTO oauth.credentials (grant_id, hash, kind, issued_at, expires_at)
            SELECT substring(sha256(convert_to('g' || n, 'UTF8')) FOR 16), sha256(convert_to('r' || n, 'UTF8')), 'rt',
                {now}, CASE WHEN n % {} = 0 THEN {now} ELSE {later} END FROM generate_series(0, {}) n",
            ledger::ENDED,
            grants - 1,
            ledger::ENDED,
            grants - 1,
        );
        raw_sql(AssertSqlSafe(fill)).execute(store.pool()).await.expect("the grants are loaded");
        for settle in ["VACUUM ANALYZE", "CHECKPOINT"] {
            raw_sql(settle).execute(store.pool()).await.expect("the server settles");
        }
        (Arc::new(store), Box::new(()))
    }
}
