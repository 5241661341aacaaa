//! 64 writers at once on one credential, 200 rounds, on each engine: one is done, the others are what the grace window says, and
//! never are there two different successors.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod engines;
mod race;
