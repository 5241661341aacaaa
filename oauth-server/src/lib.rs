//! Being laid.

pub mod pages;
