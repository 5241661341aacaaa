//! Answers of the MCP server, cut to who asks. Stands next to the server, inside of [`ProtectedResource`](crate::ProtectedResource)'s layers.
//!
//! 1. Lists of tools, prompts and resources hold what the caller may use, and say so: `cacheScope` is `private` (RS-89). It is a
//!    convenience, and no access control: what is not listed is refused all the same.
//! 2. Where it is wanted, each tool says which scopes it needs (`securitySchemes`), for clients that look there.
//! 3. A tool that asks for a scope because of its arguments ([`Caller::require`](crate::Caller::require)) makes the answer a 403 with the
//!    challenge, if nothing of it has been sent yet: JSON answers. In a stream that has begun it stays an error of JSON-RPC.
//! 4. Nothing is kept by caches on the way: `Cache-Control: private, no-store`.
//!
//! 5. Where it is wanted, the server is said to have extensions that it cannot know of itself (EXT-2).
//!
//! Only answers to requests for a list are read: JSON whole, streams event by event, up to a limit; and the events of a `GET` stream, in which
//! answers to earlier requests may come again. All others pass as they come. What cannot be read, or is too long, is not shown: an error stands
//! in its place, under the id that the client waits for.

mod body;
mod demand;
mod events;
mod future;
mod layer;
mod lists;
mod refusal;
mod service;

pub use body::TailoredBody;
pub use layer::TailorAnswersLayer;
pub use service::TailorAnswers;

pub use demand::Demand;
