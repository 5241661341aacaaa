//! What an operator may change about the default pages: name, logo, colour.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use url::Url;

use super::colour::Colour;

/// How many characters a product name may have.
const LONGEST_NAME: usize = 60;

/// How many bytes an inline logo may have, as base64. It travels with every page.
const LARGEST_LOGO: usize = 64 * 1024;

/// Name, logo and colour of the default pages.
///
/// ```
/// use oauth_server::pages::Theme;
///
/// let theme = Theme::new("Notes")?.with_accent("#0f766e")?.with_logo("https://notes.example/logo.png")?;
/// assert_eq!(theme.product(), "Notes");
/// assert_eq!(
///     Theme::new("Notes")?.with_accent("teal").unwrap_err().to_string(),
///     r##"invalid accent "teal": must be # and six hexadecimal digits"##,
/// );
/// # Ok::<(), oauth_server::pages::InvalidTheme>(())
/// ```
#[derive(Clone, Debug)]
pub struct Theme {
    product: String,
    logo: Option<Logo>,
    accent: Colour,
}

/// A logo that was checked.
#[derive(Clone, Debug)]
pub(super) struct Logo {
    /// What goes into `src`.
    pub(super) src: String,
    /// The origin to allow; none for an inline one.
    pub(super) origin: Option<String>,
}

/// A value that a [`Theme`] cannot have.
///
/// ```
/// use oauth_server::pages::Theme;
///
/// let error = Theme::new("").unwrap_err();
/// assert_eq!(error.field, "product name");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {field} {value:?}: {reason}")]
#[non_exhaustive]
pub struct InvalidTheme {
    /// Which value: `product name`, `logo` or `accent`.
    pub field: &'static str,
    /// The value, its first 80 characters.
    pub value: String,
    /// What it must be.
    pub reason: &'static str,
}

impl Theme {
    /// A theme with the product's name, without a logo, in a calm blue.
    ///
    /// # Errors
    /// The name is empty, longer than 60 characters, or has control characters.
    pub fn new(product: impl Into<String>) -> Result<Self, InvalidTheme> {
        let product = product.into();
        let reason = if product.trim().is_empty() {
            "must not be empty"
        } else if product.chars().count() > LONGEST_NAME {
            "must have at most 60 characters"
        } else if product.chars().any(char::is_control) {
            "must not have control characters"
        } else {
            return Ok(Self { product, logo: None, accent: Colour::new(0x2f, 0x5f, 0xd0) });
        };
        Err(refused("product name", &product, reason))
    }

    /// Sets the logo: an `https` URL, or `data:image/png;base64,…` (also `jpeg`, `webp`, `svg+xml`). It is shown 32
    /// pixels high, beside the product's name.
    ///
    /// An `https` logo lets its host know of every visit; an inline one does not.
    ///
    /// # Errors
    /// It is neither, or an inline logo is larger than 64 KiB.
    pub fn with_logo(mut self, logo: &str) -> Result<Self, InvalidTheme> {
        let checked = if logo.starts_with("data:") { inline(logo) } else { remote(logo) };
        self.logo = Some(checked.map_err(|reason| refused("logo", logo, reason))?);
        Ok(self)
    }

    /// Sets the colour of the main button, as `#rrggbb`. Where it would be hard to see, a nearer shade is taken.
    ///
    /// # Errors
    /// It is not `#` and six hexadecimal digits.
    pub fn with_accent(mut self, accent: &str) -> Result<Self, InvalidTheme> {
        self.accent = Colour::parse(accent)
            .ok_or_else(|| refused("accent", accent, "must be # and six hexadecimal digits"))?;
        Ok(self)
    }

    /// The product's name.
    pub fn product(&self) -> &str {
        &self.product
    }

    pub(super) fn logo(&self) -> Option<&Logo> {
        self.logo.as_ref()
    }

    pub(super) fn accent(&self) -> Colour {
        self.accent
    }
}

fn refused(field: &'static str, value: &str, reason: &'static str) -> InvalidTheme {
    InvalidTheme { field, value: value.chars().take(80).collect(), reason }
}

fn inline(logo: &str) -> Result<Logo, &'static str> {
    const KINDS: [&str; 4] = ["png", "jpeg", "webp", "svg+xml"];
    let data = KINDS
        .iter()
        .find_map(|kind| logo.strip_prefix("data:image/")?.strip_prefix(kind)?.strip_prefix(";base64,"))
        .ok_or("must be data:image/png, jpeg, webp or svg+xml, in base64")?;
    if data.len() > LARGEST_LOGO {
        return Err("must have at most 64 KiB");
    }
    if data.is_empty() || BASE64_STANDARD.decode(data).is_err() {
        return Err("must be valid base64");
    }
    Ok(Logo { src: logo.to_owned(), origin: None })
}

fn remote(logo: &str) -> Result<Logo, &'static str> {
    let url = Url::parse(logo).map_err(|_| "must be an https or a data URL")?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return Err("must be an https URL without a user name, or a data URL");
    }
    let origin = url.origin().ascii_serialization();
    // The origin goes into a header: a host may contain ";" for the URL standard, but not for a policy.
    let host = origin.strip_prefix("https://").ok_or("must have a host")?;
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b)) {
        return Err("must have a plain host name");
    }
    Ok(Logo { src: url.into(), origin: Some(origin) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_names_the_value_it_refuses() {
        let theme = || Theme::new("Notes").unwrap();
        for bad in ["", "#12345", "#1234567", "#12345g", "123456", "#+12345", "red;}*{x:y", "#ÄÄÄ"] {
            let error = theme().with_accent(bad).unwrap_err();
            assert_eq!((error.field, error.value.as_str()), ("accent", bad));
        }
        for bad in [
            "",
            "http://notes.example/logo.png",
            "/logo.png",
            "javascript:alert(1)",
            "https://a;script-src *.example/x",
            "https://a;b/x",
            "https://u:p@a.example/x",
            "data:text/html;base64,AAAA",
            "data:image/png;base64,",
            "data:image/png;base64,\"><script>",
            "data:image/png,x",
        ] {
            let error = theme().with_logo(bad).unwrap_err();
            assert_eq!((error.field, error.value.as_str()), ("logo", bad));
        }
        for bad in ["", "  ", "a\nb", &"x".repeat(61)] {
            assert_eq!(Theme::new(bad).unwrap_err().field, "product name");
        }
        let large = format!("data:image/png;base64,{}", "A".repeat(65 * 1024));
        assert_eq!(theme().with_logo(&large).unwrap_err().reason, "must have at most 64 KiB");
    }

    #[test]
    fn a_logo_allows_its_own_origin_only() {
        let theme =
            Theme::new("Notes").unwrap().with_logo("https://cdn.example:8443/a/logo.png?x=1").unwrap();
        assert_eq!(theme.logo().unwrap().origin.as_deref(), Some("https://cdn.example:8443"));
    }
}
