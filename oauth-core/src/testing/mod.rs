//! What tests need: a settable clock, repeatable chance, and the conformance kit for stores.
//!
//! The kit has one case for each promise that the ports' documentation makes. [`store_tests!`](crate::store_tests) turns them
//! into tests of a store; [`cases`] hands them out as data. A case that a broken store passes is no case: `tests/broken` of
//! this crate holds, for each of them, a store that it must catch.

mod cases;
mod chance;
mod clock;
mod kit;

pub use cases::{Case, Fresh, cases, run};
pub use chance::SeededEntropy;
pub use clock::FixedClock;
