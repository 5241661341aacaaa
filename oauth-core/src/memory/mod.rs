//! Every port in memory.

/// Being laid.
#[derive(Debug, Default)]
pub struct MemoryStore {}
