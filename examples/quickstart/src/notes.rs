//! The MCP server: three tools over notes that belong to whoever calls them.
//!
//! Nothing here knows of OAuth but the argument `caller: Caller`. Which scope each tool needs stands where the
//! server is put together, so that one place shows the whole policy.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use oauth_resource::Caller;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{CallToolResult, ContentBlock, Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// Everybody's notes, in one table.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    db: Arc<Mutex<Connection>>,
}

#[derive(Serialize, JsonSchema)]
struct NoteList {
    notes: Vec<Note>,
}

#[derive(Serialize, JsonSchema)]
struct Note {
    id: i64,
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct NewNote {
    /// What to remember.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct NoteId {
    /// The id that `list_notes` shows.
    id: i64,
}

#[tool_router]
impl Notes {
    /// Lists your notes.
    #[tool(annotations(read_only_hint = true))]
    async fn list_notes(&self, caller: Caller) -> Result<Json<NoteList>, ErrorData> {
        let notes = self.with(|db| {
            db.prepare("SELECT id, text FROM notes WHERE owner = ?1 ORDER BY id")?
                .query_map([caller.subject().as_str()], |row| {
                    Ok(Note { id: row.get(0)?, text: row.get(1)? })
                })?
                .collect()
        })?;
        Ok(Json(NoteList { notes }))
    }

    /// Adds a note.
    #[tool(annotations(destructive_hint = false))]
    async fn add_note(
        &self,
        caller: Caller,
        Parameters(NewNote { text }): Parameters<NewNote>,
    ) -> Result<Json<Note>, ErrorData> {
        let id = self.with(|db| {
            db.execute(
                "INSERT INTO notes (owner, text) VALUES (?1, ?2)",
                params![caller.subject().as_str(), text],
            )?;
            Ok(db.last_insert_rowid())
        })?;
        Ok(Json(Note { id, text }))
    }

    /// Deletes a note for good.
    #[tool(annotations(destructive_hint = true))]
    async fn delete_note(
        &self,
        caller: Caller,
        Parameters(NoteId { id }): Parameters<NoteId>,
    ) -> Result<CallToolResult, ErrorData> {
        let deleted = self.with(|db| {
            db.execute(
                "DELETE FROM notes WHERE owner = ?1 AND id = ?2",
                params![caller.subject().as_str(), id],
            )
        })?;
        // Somebody else's note and no note are the same answer.
        Ok(match deleted {
            0 => CallToolResult::error(vec![ContentBlock::text(format!("you have no note {id}"))]),
            _ => CallToolResult::success(vec![ContentBlock::text(format!("deleted note {id}"))]),
        })
    }
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("quickstart", env!("CARGO_PKG_VERSION")))
            .with_instructions("Keeps short notes for the person who signed in.")
    }
}

impl Notes {
    /// Opens the table in the database at `path`, making both if they are missing.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        // AUTOINCREMENT: a repeated `delete_note` must never meet a newer note under an old id.
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS notes (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 owner TEXT NOT NULL,
                 text TEXT NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS notes_owner ON notes (owner, id);",
        )?;
        Ok(Self { db: Arc::new(Mutex::new(db)) })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ErrorData> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        // What went wrong is for whoever runs the server; a caller learns nothing of tables and files from it.
        work(&db).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the notes cannot be read or written");
            ErrorData::internal_error("notes are not available", None)
        })
    }
}
