//! Being laid.
use crate::args::Args;
pub(crate) async fn walk(_args: Args) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
