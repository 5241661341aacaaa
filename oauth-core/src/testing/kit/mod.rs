//! The cases of the conformance kit, port by port.

pub(crate) mod accounts;
pub(crate) mod clients;
pub(crate) mod consents;
pub(crate) mod exchange;
pub(crate) mod grants;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod purge;
pub(crate) mod races;
pub(crate) mod replay;
pub(crate) mod revoke;
pub(crate) mod sessions;
pub(crate) mod vault;

mod scene;
