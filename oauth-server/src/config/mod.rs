//! What a server is built from, and everything that is wrong with it, said at once.

mod builder;
mod checked;
mod documents;
mod options;

pub(crate) use builder::Links;
pub use builder::{BuildError, Builder};
pub(crate) use checked::{Checked, MIN_SECRET};
pub use documents::{DocumentChange, DocumentPolicy};
pub use options::{OfferedScope, Registration};
