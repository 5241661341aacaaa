//! What cannot be opened says why and what helps; what fails later is an outage, and loses nothing.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![cfg(feature = "sqlite")]

use std::path::Path;
use std::time::Duration;

use oauth_core::{
    CredentialKind, Exchanged, GrantFilter, GrantStore, KeyPurpose, KeyStore, StoreError, StoredKey,
};
use oauth_stores::testing::scene::{GRACE, NOW, credential, exchange, grant, session, tokens};
use oauth_stores::{OpenError, SqliteOptions, SqliteStore};
use rusqlite::Connection;

/// An error at start names the path and what helps.
#[track_caller]
fn assert_says(error: &OpenError, path: &Path, remedy: &str) {
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains(remedy), "{text}");
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/oauth.sqlite");
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::FolderMissing { .. }), "{error:?}");
    assert_says(&error, &path, "create it");
    // A file where the folder should be.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let path = folder.path().join("file/oauth.sqlite");
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::FolderMissing { .. })));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.sqlite");
    drop(SqliteStore::open(&old).unwrap());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let paths = if std::fs::write(folder.path().join("probe"), "").is_err() {
        // The file that is there could be opened: those beside it cannot.
        vec![folder.path().join("new.sqlite"), old]
    } else {
        // Root may write wherever there is a disk. Here there is none.
        vec!["/sys/oauth.sqlite".into()]
    };
    for path in paths.iter().filter(|path| path.parent().is_some_and(Path::exists)) {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
        assert_says(&error, path, "write permission");
    }
}

#[test]
fn a_locked_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert_says(&error, &path, "another process has locked it");
    drop(other);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let garbage = "these are my notes, not a database. ".repeat(1000);
    std::fs::write(&path, &garbage).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_says(&error, &path, "choose another path");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.sqlite");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE notes (text TEXT); PRAGMA user_version = 1").unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert_says(&error, &path, "a path of its own");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_named_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, .. }), "{error:?}");
    assert_says(&error, &path, "run the newer program");
}

#[cfg(unix)]
#[test]
fn the_file_and_what_lies_beside_it_are_its_owners_alone() {
    // KEY-4: the file holds keys.
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let _store = SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_full_disk_is_an_outage_and_loses_nothing() {
    // LIM-3, TOK-8
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let store = SqliteOptions::default().with_size_limit(1 << 20).open(&path).unwrap();
    let mut last = session(&store).await.unwrap();
    let mut sessions = 1;
    let (grant, unspent) = loop {
        match session(&store).await {
            Ok(session) => last = session,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                break last;
            }
        }
        sessions += 1;
    };
    assert!(sessions > 100, "{sessions}");
    // The credential cannot be spent now, and it is not: neither lost nor burned.
    let issued: Vec<_> = (0..500).map(|_| credential(&grant, CredentialKind::AccessToken)).collect();
    let error = store.exchange(exchange(&unspent, &issued, GRACE)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.find(&unspent.key).await.unwrap().unwrap().spent, None);
    assert_eq!(store.find(&issued[0].key).await.unwrap(), None);
    // What was there before is there, and after a restart with room it is spent as if nothing had been.
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert!(store.count(GrantFilter::All).await.unwrap() >= sessions);
    assert_eq!(store.exchange(exchange(&unspent, &issued, GRACE)).await.unwrap(), Exchanged::Done);
}

#[tokio::test]
async fn a_full_store_has_room_again_after_a_purge() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        SqliteOptions::default().with_size_limit(1 << 20).open(folder.path().join("oauth.sqlite")).unwrap();
    while session(&store).await.is_ok() {}
    let removed = GrantStore::purge(&store, NOW + Duration::from_secs(100 * 86_400)).await.unwrap();
    assert!(removed > 100, "{removed}");
    session(&store).await.unwrap();
}

#[tokio::test]
async fn a_file_that_another_process_locks_is_an_outage_until_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let (grant, refresh) = session(&store).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Reads go on; a write waits for some seconds, then says so.
    assert_eq!(store.grant(&grant.id).await.unwrap().as_ref(), Some(&grant));
    let issued = tokens(&grant);
    let error = store.exchange(exchange(&refresh, &issued, GRACE)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.exchange(exchange(&refresh, &issued, GRACE)).await.unwrap(), Exchanged::Done);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_removed_or_replaced_is_an_outage_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("oauth.sqlite"), folder.path().join("aside.sqlite"));
    let store = SqliteStore::open(&path).unwrap();
    let (_, before) = session(&store).await.unwrap();

    std::fs::rename(&path, &aside).unwrap();
    let answer = session(&store).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    // Another one in its place is not it.
    std::fs::write(&path, "").unwrap();
    assert!(session(&store).await.is_err());

    std::fs::rename(&aside, &path).unwrap();
    let (_, after) = session(&store).await.unwrap();
    drop(store);
    let again = SqliteStore::open(&path).unwrap();
    for token in [before, after] {
        assert!(again.find(&token.key).await.unwrap().is_some(), "what was acknowledged is there");
    }
    assert_eq!(again.count(GrantFilter::All).await.unwrap(), 2);
}

#[tokio::test]
async fn a_job_that_fails_takes_nothing_of_its_batch_along() {
    let store = SqliteStore::in_memory().unwrap();
    let (taken, _) = session(&store).await.unwrap();
    let mut calls = Vec::new();
    for at in 0..64 {
        let (store, grant) = (store.clone(), if at % 2 == 0 { taken.clone() } else { grant() });
        calls.push(tokio::spawn(async move {
            let tokens = tokens(&grant);
            (at, grant.id, store.open(&grant, &tokens).await)
        }));
    }
    for call in calls {
        let (at, id, result) = call.await.unwrap();
        assert_eq!(matches!(result, Err(StoreError::Conflict)), at % 2 == 0, "{at}: {result:?}");
        assert!(store.grant(&id).await.unwrap().is_some());
    }
    assert_eq!(store.count(GrantFilter::All).await.unwrap(), 33);
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let grants: Vec<_> = (0..50).map(|_| grant()).collect();
    for grant in &grants {
        // Asked once, and never again: the call is under way, and nobody waits for it.
        let mut call = std::pin::pin!(store.open(grant, &[]));
        let asked = std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context)));
        let _ = asked.await;
    }
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.count(GrantFilter::All).await.unwrap(), 50);
}

#[tokio::test]
async fn a_backup_is_the_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("oauth.sqlite")).unwrap();
    let key = StoredKey::new("1", KeyPurpose::Seal, "A256GCM", vec![7; 32], NOW);
    let _ = store.first(&key).await.unwrap();
    for _ in 0..2 {
        // The second time in place of the first.
        let (grant, refresh) = session(&store).await.unwrap();
        store.backup(folder.path().join("copy.sqlite")).await.unwrap();
        let copy = SqliteStore::open(folder.path().join("copy.sqlite")).unwrap();
        assert_eq!(copy.find(&refresh.key).await.unwrap().unwrap().grant, grant);
        assert_eq!(copy.keys(KeyPurpose::Seal).await.unwrap().len(), 1);
    }
    for (store, path) in [(store, "missing/copy"), (SqliteStore::in_memory().unwrap(), "copy.sqlite")] {
        let error = store.backup(folder.path().join(path)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)));
    }
}

#[tokio::test]
async fn a_store_is_not_copied_onto_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let (grant, refresh) = session(&store).await.unwrap();
    let error = store.backup(folder.path().join(".").join("oauth.sqlite")).await.unwrap_err();
    assert!(error.to_string().contains("itself") || format!("{error:?}").contains("itself"), "{error:?}");
    assert_eq!(store.find(&refresh.key).await.unwrap().unwrap().grant, grant);
}

/// The locks that this process has on a file, as the system counts them.
#[cfg(target_os = "linux")]
fn locks(path: &Path) -> usize {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let process = format!(" {} ", std::process::id());
    let all = std::fs::read_to_string("/proc/locks").unwrap();
    all.lines()
        .filter(|line| line.contains("POSIX") && line.contains(&inode) && line.contains(&process))
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_store_that_is_open_keeps_its_locks_when_its_file_is_opened_again_or_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("oauth.sqlite"), folder.path().join("other.sqlite"));
    let store = SqliteStore::open(&path).unwrap();
    let (grant, refresh) = session(&store).await.unwrap();
    let held = locks(&path);
    assert!(held > 0, "the engine holds the file");

    let again = SqliteStore::open(&path).unwrap();
    assert!(again.find(&refresh.key).await.unwrap().is_some(), "it is the same store");
    assert_eq!(locks(&path), held, "opened again");
    drop(again);
    assert_eq!(locks(&path), held, "and closed");

    let copied = SqliteStore::open(&other).unwrap();
    session(&copied).await.unwrap();
    let held = locks(&other);
    // Whether that works or not is the engine's to say.
    let _ = store.backup(&other).await;
    assert_eq!(locks(&other), held, "written over");
    assert_eq!(store.grant(&grant.id).await.unwrap(), Some(grant));
}

#[tokio::test]
async fn a_table_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("DROP TABLE sessions").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(&error, OpenError::TableMissing { table, .. } if *table == "sessions"), "{error:?}");
    assert_says(&error, &path, "restore a backup");
    assert!(error.to_string().contains("`sessions`"), "{error}");
}

#[tokio::test]
async fn a_live_session_costs_under_two_kilobytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oauth.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let pages = || {
        let raw = Connection::open(&path).unwrap();
        let read = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        read("SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)")
    };
    let empty = pages();
    let mut calls = Vec::new();
    for _ in 0..20 {
        let store = store.clone();
        calls.push(tokio::spawn(async move {
            for _ in 0..100 {
                session(&store).await.unwrap();
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    // A grant, a spent code, two access tokens, a spent refresh token with its reply, and the live one.
    let each = (pages() - empty) / 2000;
    assert!(each < 2000, "{each} bytes a session");
    // Without the replies, which live for an hour, and without what a day ends.
    assert!(each > 200, "{each} bytes a session: was anything written?");
}
