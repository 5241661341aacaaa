//! A database by what an operator writes.

use oauth_core::Stores;
use oauth_stores::{Connect as _, ConnectError, SqliteStore};

/// Opens a database: a file of SQLite by its name, or what a URL names.
///
/// # Errors
/// What is wrong with it, without its password.
///
/// ```
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// assert!(hosting::open("memory:").await.is_ok());
/// let error = hosting::open("db.example:5432").await.unwrap_err();
/// assert!(error.to_string().contains("before a file of such a name write ./"), "{error}");
/// # });
/// ```
pub async fn open(database: &str) -> Result<Stores, Box<dyn std::error::Error + Send + Sync>> {
    let is_path = database.starts_with(['.', '/', '\\'])
        || matches!(database.as_bytes(), [_, b':', b'\\' | b'/', ..])
        // What somebody meant as an address of a database becomes no file of that name.
        || !database.contains([':', '=', ';', '@', '?']);
    if is_path && !database.contains("://") {
        return Ok(Stores::new(SqliteStore::open(database)?));
    }
    match Stores::connect(database).await {
        Err(error @ ConnectError::NoScheme { .. }) => {
            Err(format!("{error}; before a file of such a name write ./").into())
        }
        opened => Ok(opened?),
    }
}
