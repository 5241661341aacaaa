//! The store in SQLite, held to the promises of the ports: in a file and in memory. Two servers over one file are in
//! `two_servers`.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(feature = "sqlite")]

use std::cell::RefCell;

use oauth_stores::SqliteStore;
use tempfile::TempDir;

thread_local! {
    // As long as the test's thread: the store is dropped before.
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

async fn in_a_file() -> SqliteStore {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap();
    FOLDER.set(Some(folder));
    store
}

mod file {
    oauth_core::store_tests!(super::in_a_file());
}

mod memory {
    use oauth_stores::SqliteStore;

    oauth_core::store_tests!(async { SqliteStore::in_memory().unwrap() });
}
