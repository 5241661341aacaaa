//! A broken store, and the case that it is made for.

use oauth_core::Stores;

/// A store that breaks one promise, and the case that must say so.
pub(crate) struct Broken {
    pub(crate) case: &'static str,
    pub(crate) fault: String,
    pub(crate) stores: Stores,
}

impl Broken {
    /// A table of cases and faults, with the stores that have them.
    pub(crate) fn of<F: Copy + std::fmt::Debug>(
        table: &[(&'static str, F)],
        stores: impl Fn(F) -> Stores,
    ) -> Vec<Self> {
        let broken = |(case, fault): &(&'static str, F)| Self {
            case,
            fault: format!("{fault:?}"),
            stores: stores(*fault),
        };
        table.iter().map(broken).collect()
    }
}
