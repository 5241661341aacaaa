//! Who asked for what, and what became of it: an event for each request, to an [`EventSink`](oauth_core::EventSink).
//!
//! Stands outside of all layers whose refusals it is to hear of. Subject, client, grant and operation are known if the token was good and the
//! request's body was looked at; the token itself is in no event. Reasons are stable names:
//!
//! | reason | status |
//! |---|---|
//! | `token_missing`, `token_invalid`, `insufficient_user_authentication` | 401 |
//! | `insufficient_scope`, `forbidden_origin`, `forbidden_host`, `https_required` | 403 |
//! | `invalid_request`, `header_mismatch` | 400, 408, 413 |
//! | `session_not_found` | 404 |
//! | `temporarily_unavailable` | 503 |
//! | `status` | another refusal, the inner server's own perhaps |

mod future;
mod layer;
mod trail;

pub use layer::{Audit, AuditLayer};

pub(crate) use trail::Trail;
