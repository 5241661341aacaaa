//! A copy of the store, taken while it is in use.

use std::path::Path;

use oauth_core::StoreError;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::sync::oneshot;

use crate::sqlite::fault::Fault;
use crate::sqlite::{SqliteStore, open};

impl SqliteStore {
    /// Copies the store, as it is at one moment, into the file at `path`, in place of what is there. Nobody waits for it.
    ///
    /// The copy holds keys, as the store does: it is created with mode 0600. It can be opened by [`SqliteStore::open`]. A program that has
    /// [`Stores`](oauth_core::Stores) keeps a clone of the store beside them, or opens the file once more: that is the same store.
    ///
    /// ```
    /// use oauth_stores::SqliteStore;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let folder = tempfile::tempdir()?;
    /// let store = SqliteStore::open(folder.path().join("oauth.sqlite"))?;
    /// let stores = oauth_core::Stores::new(store.clone());
    /// store.backup(folder.path().join("copy.sqlite")).await?;
    /// # drop(stores);
    /// assert!(SqliteStore::open(folder.path().join("copy.sqlite")).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if `path` cannot be written or is the store's own, or the store is in memory.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref().to_owned();
        let Some(readers) = &self.inner.readers else {
            return Err(StoreError::unavailable("a store in memory has no backup"));
        };
        let source = readers.connect()?;
        let (reply, answer) = oneshot::channel();
        // It takes seconds: neither the runtime nor the writer has time for that.
        let work = move || drop(reply.send(copy(&source, &path)));
        std::thread::Builder::new()
            .name("oauth-backup".into())
            .spawn(work)
            .map_err(StoreError::unavailable)?;
        Ok(answer.await.map_err(|_| StoreError::unavailable("the backup panicked"))??)
    }
}

fn copy(source: &Connection, path: &Path) -> Result<(), Fault> {
    open::create(path).map_err(StoreError::unavailable)?;
    let real = std::fs::canonicalize(path).map_err(StoreError::unavailable)?;
    if source.path().map(Path::new) == Some(&*real) {
        return Err(Fault::unavailable("the copy would be the store itself"));
    }
    let mut target = Connection::open(path)?;
    // The engine syncs the copy, and nobody else opens it: that would cost the locks of whoever has it open here.
    target.execute_batch("PRAGMA synchronous = FULL")?;
    // All pages in one step: a copy made in several begins anew at each write.
    let step = Backup::new(source, &mut target)?.step(-1)?;
    target.close().map_err(|(_, error)| error)?;
    if step == StepResult::Done {
        Ok(())
    } else {
        Err(Fault::unavailable("the copy is locked by another process"))
    }
}
