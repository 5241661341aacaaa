//! The manual: how to put the crate to use where a doc comment is too short.

#[doc = include_str!("howto.md")]
pub mod howto {}

#[doc = include_str!("proxies.md")]
#[doc = "\n# nginx\n\n```nginx"]
#[doc = include_str!("proxies/nginx.conf")]
#[doc = "```\n\n# Caddy\n\n```text"]
#[doc = include_str!("proxies/Caddyfile")]
#[doc = "```\n\n# Traefik\n\n```yaml"]
#[doc = include_str!("proxies/traefik.yaml")]
#[doc = "```\n\n# Envoy\n\n```yaml"]
#[doc = include_str!("proxies/envoy.yaml")]
#[doc = "```"]
pub mod proxies {}
