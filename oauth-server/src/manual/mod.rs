//! The manual: a reason for each default, what stops each known attack, and how to put the server into a program.

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[doc = include_str!("attacks.md")]
pub mod attacks {}

#[doc = include_str!("howto.md")]
pub mod howto {}
