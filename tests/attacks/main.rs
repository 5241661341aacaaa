//! Attacks from outside, each under its id: what an attacker sends, and what must come of it.
//!
//! All of them go through HTTP against a whole host, in process, with a clock that stands still. Those that are about
//! connections go over loopback.
#![allow(clippy::unwrap_used)] // Clippy knows tests, but not what they call.

mod host;
mod third_party;
mod ups_scene;
mod upstream;
mod wire;

mod aud;
mod cauthx;
mod cimdx;
mod code;
mod cons;
mod dcrx;
mod dpopx;
mod http_level;
mod jwt;
mod logx;
mod mix;
mod pkce;
mod proxy;
mod redir;
mod rt;
mod scope;
mod ups;
mod ups_configured;
mod xss;
