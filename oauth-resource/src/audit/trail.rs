//! What is found out about a request on its way in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authorized::Authorized;

/// Stands in the extensions of a request that is audited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) caller: Option<Authorized>,
    pub(super) operation: String,
}

/// How long the text of an operation may be: of a batch, the first are told.
const MAX_OPERATION: usize = 200;

impl Trail {
    /// Notes who asks, and what for: `operations` hands over methods and what they name.
    pub(crate) fn note(
        &self,
        caller: Option<&Authorized>,
        operations: impl FnOnce(&mut dyn FnMut(&str, Option<&str>)),
    ) {
        let mut text = String::new();
        operations(&mut |method, name| {
            if text.len() >= MAX_OPERATION {
                return;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(if method.is_empty() { "?" } else { method });
            if let Some(name) = name {
                text.push(' ');
                text.push_str(name);
            }
        });
        // At the border of a character.
        if text.len() > MAX_OPERATION {
            let end = (0..=MAX_OPERATION).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
        let mut noted = self.lock();
        noted.caller = caller.cloned();
        noted.operation = text;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
