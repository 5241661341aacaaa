//! Scopes, [RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3), and which of them imply which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// Why a text is no set of scopes.
///
/// ```
/// use oauth_core::ScopeSet;
/// assert_eq!("read\twrite".parse::<ScopeSet>().unwrap_err().to_string(), "scope has a character that is not allowed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Outside `%x21 / %x23-5B / %x5D-7E`, or a separator other than one space.
    #[error("scope has a character that is not allowed")]
    Charset,
    /// Longer than [`ScopeSet::MAX_LENGTH`].
    #[error("scope must have at most {} characters", ScopeSet::MAX_LENGTH)]
    TooLong,
}

/// A set of scopes, in a fixed order, without repetition (RS-25).
///
/// Cloning shares the text. Order and repetition of what was read do not matter:
///
/// ```
/// use oauth_core::ScopeSet;
///
/// let asked: ScopeSet = "notes:write notes:read notes:write".parse()?;
/// assert_eq!(asked.as_str(), "notes:read notes:write");
/// assert!(asked.contains("notes:read"));
/// // No prefix counts for the whole (A-SCOPE-4).
/// assert!(!asked.contains("notes"));
/// # Ok::<(), oauth_core::ScopeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ScopeSet(Arc<str>);

impl ScopeSet {
    /// How many characters a set may have, spaces included.
    pub const MAX_LENGTH: usize = 4096;

    /// No scope at all.
    #[must_use]
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));
        Self(EMPTY.clone())
    }

    /// The scopes, separated by spaces, as they stand in a `scope` parameter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes one by one, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        // An empty text splits into one empty piece.
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether `scope` is one of them, letter for letter.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        !scope.is_empty() && self.pieces().any(|own| own == scope.as_bytes())
    }

    /// What is between the spaces. Byte by byte: these are short, and looked at with each request.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.0.as_bytes().split(|byte| *byte == b' ')
    }

    /// Whether all of these are in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        // Both are sorted: where the first scopes of `other` are these, nothing need be looked for, else one walk is enough.
        let leads =
            other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let mut others = other.pieces();
        leads || self.is_empty() || self.pieces().all(|scope| others.any(|other| other == scope))
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_subset(self) { self.clone() } else { self.iter().chain(other.iter()).collect() }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            self.clone()
        } else {
            self.iter().filter(|scope| other.contains(scope)).collect()
        }
    }

    /// What is here and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|scope| !other.contains(scope)).collect()
    }
}

impl FromStr for ScopeSet {
    type Err = ScopeError;

    /// Only the space separates (A-SCOPE-2). Several spaces, or spaces at the ends, are forgiven.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(ScopeError::TooLong);
        }
        // To the end, whatever is found: sixteen at a time. Every token comes by here.
        if !text.bytes().fold(true, |good, byte| good & (byte == b' ' || is_scope_char(byte))) {
            return Err(ScopeError::Charset);
        }
        // Most texts were written by somebody like us: in order, each once.
        if is_canonical(text) {
            return Ok(Self(text.into()));
        }
        Ok(text.split(' ').collect())
    }
}

/// Whether a set writes itself just so.
fn is_canonical(text: &str) -> bool {
    let mut before: &[u8] = b"";
    text.as_bytes().split(|byte| *byte == b' ').all(|scope| {
        let ascends = before < scope;
        before = scope;
        ascends
    })
}

/// `NQCHAR` of RFC 6749 appendix A.
fn is_scope_char(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

/// Pieces that are no scope (empty, or with a character that is not allowed) are left out.
impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let valid = |scope: &&str| !scope.is_empty() && scope.bytes().all(is_scope_char);
        let ordered: BTreeSet<&str> = scopes.into_iter().filter(valid).collect();
        let mut text = String::new();
        for scope in ordered {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(scope);
        }
        Self(text.into())
    }
}

impl Default for ScopeSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({:?})", &self.0)
    }
}

/// Which scopes imply which: only edges that were named count, never a common prefix (RS-24, A-SCOPE-4).
///
/// ```
/// use oauth_core::{ScopeHierarchy, ScopeSet};
///
/// let hierarchy = ScopeHierarchy::new().implies("mcp:admin", "mcp:write").implies("mcp:write", "mcp:read");
/// let held: ScopeSet = "mcp:admin".parse()?;
/// assert!(hierarchy.missing(&held, &"mcp:read".parse()?).is_empty());
/// assert_eq!(hierarchy.missing(&"mcp:read".parse()?, &"mcp:write".parse()?).as_str(), "mcp:write");
/// # Ok::<(), oauth_core::ScopeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScopeHierarchy {
    // broader → what it implies, directly or through others
    implied: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl ScopeHierarchy {
    /// No scope implies another.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who has `broader` has `narrower` too, and what that implies.
    #[must_use]
    pub fn implies(mut self, broader: &str, narrower: &str) -> Self {
        let mut gained = self.implied.get(narrower).cloned().unwrap_or_default();
        gained.insert(narrower.into());
        // Whoever implies `broader` gains the same; a circle makes its members equal.
        for (scope, implied) in &mut self.implied {
            if &**scope == broader || implied.contains(broader) {
                implied.extend(gained.iter().cloned());
            }
        }
        self.implied.entry(broader.into()).or_default().extend(gained);
        self
    }

    /// Whether `held` covers `scope`.
    #[must_use]
    pub fn covers(&self, held: &ScopeSet, scope: &str) -> bool {
        held.contains(scope)
            || held.iter().any(|own| self.implied.get(own).is_some_and(|implied| implied.contains(scope)))
    }

    /// Whether `held` covers all of `needed`.
    ///
    /// ```
    /// use oauth_core::ScopeHierarchy;
    ///
    /// let hierarchy = ScopeHierarchy::new().implies("notes:write", "notes:read");
    /// assert!(hierarchy.covers_all(&"notes:write".parse()?, &"notes:read notes:write".parse()?));
    /// assert!(!hierarchy.covers_all(&"notes:read".parse()?, &"notes:read notes:write".parse()?));
    /// # Ok::<(), oauth_core::ScopeError>(())
    /// ```
    #[must_use]
    pub fn covers_all(&self, held: &ScopeSet, needed: &ScopeSet) -> bool {
        needed.is_subset(held) || needed.iter().all(|scope| self.covers(held, scope))
    }

    /// What of `needed` is not covered by `held`.
    #[must_use]
    pub fn missing(&self, held: &ScopeSet, needed: &ScopeSet) -> ScopeSet {
        if needed.is_subset(held) {
            return ScopeSet::empty();
        }
        needed.iter().filter(|scope| !self.covers(held, scope)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_space_separates() {
        // A-SCOPE-2, AS-44
        for bad in ["read\twrite", "read\nwrite", "read\"", "re\\ad", "réad", "a\u{0}b"] {
            assert_eq!(bad.parse::<ScopeSet>(), Err(ScopeError::Charset), "{bad:?}");
        }
        assert_eq!(set("  b  a b "), set("a b"));
        for canonical in ["a", "a b", "a aa b"] {
            assert!(is_canonical(canonical) && set(canonical).as_str() == canonical);
        }
        for not in ["", " ", " a", "a ", "a  b", "b a", "a a"] {
            assert!(!is_canonical(not), "{not:?}");
        }
        assert_eq!(set("read,write").iter().count(), 1);
        assert_eq!("x".repeat(4097).parse::<ScopeSet>(), Err(ScopeError::TooLong));
    }

    #[test]
    fn sets_behave_as_sets() {
        let (ab, bc) = (set("a b"), set("b c"));
        assert_eq!(ab.union(&bc), set("a b c"));
        assert_eq!(ab.intersection(&bc), set("b"));
        assert_eq!(ab.difference(&bc), set("a"));
        assert!(set("").is_subset(&ab) && set("").is_empty() && !set("").contains(""));
        assert!(!ab.is_subset(&bc));
    }

    #[test]
    fn the_hierarchy_is_transitive_whatever_the_order_of_its_edges() {
        for hierarchy in [
            ScopeHierarchy::new().implies("a", "b").implies("b", "c"),
            ScopeHierarchy::new().implies("b", "c").implies("a", "b"),
        ] {
            assert!(hierarchy.covers(&set("a"), "c"));
            assert!(!hierarchy.covers(&set("c"), "a"));
        }
    }
}
