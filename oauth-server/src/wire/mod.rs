//! HTTP as the endpoints see it: a request read once and whole, and the answers they give.

pub(crate) mod cookies;
pub(crate) mod cors;
mod read;
mod reply;
mod source;

pub(crate) use read::{Request, Unread};
pub(crate) use reply::{Reply, error_reply, json_reply, redirect_reply, whole_seconds};
pub(crate) use source::source_of;
