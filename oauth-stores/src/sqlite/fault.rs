//! What goes wrong inside a job, and what the port says of it.

use std::sync::Arc;

use oauth_core::StoreError;
use rusqlite::ErrorCode;

/// The engine's error or the port's.
#[derive(Debug)]
pub(super) enum Fault {
    Engine(rusqlite::Error),
    Port(StoreError),
}

impl Fault {
    pub(super) fn corrupt(what: &str) -> Self {
        Self::Port(StoreError::corrupt(what))
    }

    pub(super) fn unavailable(why: &'static str) -> Self {
        Self::Port(StoreError::unavailable(why))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Port(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Port(error) => return error,
            Fault::Engine(error) => error,
        };
        match &error {
            // Whatever is unique is so because a port says Conflict.
            rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ConstraintViolation => {
                Self::Conflict
            }
            rusqlite::Error::SqliteFailure(failure, _)
                if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
            {
                Self::corrupt(error.to_string())
            }
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => Self::corrupt(error.to_string()),
            _ => Self::unavailable(error),
        }
    }
}

/// Why a whole batch came to nothing: told to each of its callers.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the transaction failed")]
pub(super) struct BatchFault(#[source] pub(super) Arc<rusqlite::Error>);
