//! Secrets that are written on a command line.

use std::sync::Arc;

use oauth_core::Secret;

/// A secret on a command line, which `Debug` does not show.
///
/// # Errors
/// None: any text may be one.
///
/// ```
/// let secret = hosting::secret("correct horse").unwrap();
/// assert!(!format!("{secret:?}").contains("horse"));
/// ```
pub fn secret(text: &str) -> Result<Arc<Secret>, std::convert::Infallible> {
    Ok(Arc::new(Secret::new(text.to_owned())))
}
