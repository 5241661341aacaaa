//! The store in memory, held to the promises of the ports.

use oauth_core::MemoryStore;

oauth_core::store_tests!(async { MemoryStore::default() });
