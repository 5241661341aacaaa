//! Read connections beside the writer.
//!
//! A read runs on the caller's own thread. What the ports ask is a lookup or two by primary key, some ten microseconds from the
//! page cache; handing it to another thread and back costs more than that. Long answers come in pages of at most [`PAGE`].

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::sqlite::fault::Fault;
use crate::sqlite::open;

/// How many connections are kept for the next reads. More are opened when more threads read at the same moment, and closed after.
const IDLE: usize = 8;

/// How many records a page has at most, whatever was asked for.
pub(super) const PAGE: usize = 1000;

/// A pool that never makes a reader wait.
pub(super) struct Readers {
    path: PathBuf,
    // The last one used is used next: its cache is warm.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of the file at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs `work` on a connection that nobody else uses meanwhile. It sees all that was committed before.
    pub(super) fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        let result = work(&connection);
        // After a fault of the engine a new connection is the better start.
        if !matches!(result, Err(Fault::Engine(_))) {
            let mut idle = self.idle();
            if idle.len() < IDLE {
                idle.push(connection);
            }
        }
        result
    }

    /// A connection of the caller's own.
    pub(super) fn connect(&self) -> Result<Connection, Fault> {
        Ok(open::reader(&self.path)?)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
