//! Being laid.
mod answer;
mod authorized;
mod bearer;
mod body;
mod challenge;
mod identity;
mod metadata;
mod verify;

pub use authorized::Authorized;
pub use bearer::{MAX_LEEWAY, MAX_TOKEN, RequireBearer, RequireBearerLayer, ResponseFuture};
pub use body::ResponseBody;
pub use identity::IdentityClaim;
pub use metadata::{MetadataService, WELL_KNOWN};
pub use verify::StoreVerifier;
