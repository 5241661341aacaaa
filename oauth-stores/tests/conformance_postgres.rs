//! The store in PostgreSQL, held to the promises of the ports: as it comes, purging one grant at a time, and in a schema of another name on a serializable
//! database. Two servers over one database are in `two_servers`.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(all(unix, feature = "postgres"))]

use std::cell::RefCell;

use oauth_stores::testing::{TestPostgres, available};
use oauth_stores::{PostgresOptions, PostgresStore};

thread_local! {
    // As long as the test's thread: the server is needed to the end.
    static SERVER: RefCell<Option<TestPostgres>> = const { RefCell::new(None) };
}

/// The URL of an empty database, unless PostgreSQL is not installed.
fn database() -> Option<String> {
    let server = available(TestPostgres::shared())?;
    let url = server.fresh_database().unwrap();
    SERVER.set(Some(server));
    Some(url)
}

mod plain {
    use super::{PostgresStore, database};

    async fn fresh() -> Option<PostgresStore> {
        Some(PostgresStore::open(&database()?).await.unwrap())
    }

    oauth_core::store_tests!(fresh());
}

/// As over tables that are spread by the grant.
mod purged_by_grant {
    use super::{PostgresOptions, PostgresStore, database};

    async fn fresh() -> Option<PostgresStore> {
        Some(PostgresOptions::default().with_purge_by_grant().open(&database()?).await.unwrap())
    }

    oauth_core::store_tests!(fresh());
}

mod serializable {
    use super::{PostgresOptions, PostgresStore, SERVER, database};

    async fn fresh() -> Option<PostgresStore> {
        let url = database()?;
        let name = url.rsplit('/').next().unwrap();
        let sql = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'");
        SERVER.with_borrow(|server| server.as_ref().unwrap().sql(&sql).unwrap());
        Some(PostgresOptions::default().with_schema("another").open(&url).await.unwrap())
    }

    oauth_core::store_tests!(fresh());
}
