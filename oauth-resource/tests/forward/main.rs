//! Forward auth: asked in process, and by a real nginx, Caddy, Traefik and Envoy with the manual's configuration.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests, the helpers of tests as well")]

mod asked;
mod fixture;
mod launch;
mod proxies;
mod wire;
