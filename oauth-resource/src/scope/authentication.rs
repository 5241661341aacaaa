//! How, and how lately, a user must have signed in for an operation ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)).

use std::time::Duration;

use oauth_core::{Claims, Timestamp};

/// How lately a user must have signed in for an operation, and by which means (RS-30). A token that does not show it is answered 401
/// `insufficient_user_authentication`; the client repeats its authorization request with the parameters of the challenge.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Claims, Timestamp};
/// use oauth_resource::Authentication;
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let demand = Authentication::within(Duration::from_secs(300));
/// let mut claims = Claims::new("https://as.example", "alice".parse()?, "app".parse()?, Timestamp::MAX);
/// assert!(!demand.is_met_by(&claims, now), "nobody knows when");
/// claims.auth_time = Some(now.before(Duration::from_secs(60)));
/// assert!(demand.is_met_by(&claims, now));
/// assert!(!demand.by("phr").is_met_by(&claims, now), "nobody knows how");
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    pub(crate) max_age: Option<Duration>,
    /// One of these will do; `None`: any. An empty list is met by nothing.
    pub(crate) classes: Option<Vec<Box<str>>>,
}

impl Authentication {
    /// Not longer ago than this, in whole seconds.
    #[must_use]
    pub fn within(max_age: Duration) -> Self {
        Self { max_age: Some(Duration::from_secs(max_age.as_secs())), classes: None }
    }

    /// By one of these authentication context classes (`acr`), separated by spaces, the best first.
    #[must_use]
    pub fn by(mut self, acr_values: &str) -> Self {
        self.classes =
            Some(acr_values.split(' ').filter(|class| !class.is_empty()).map(Into::into).collect());
        self
    }

    /// What both ask for.
    #[must_use]
    pub(crate) fn and(self, other: &Self) -> Self {
        let max_age = match (self.max_age, other.max_age) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let classes = match (self.classes, &other.classes) {
            (Some(own), Some(others)) => {
                Some(own.into_iter().filter(|class| others.contains(class)).collect())
            }
            (own, others) => own.or_else(|| others.clone()),
        };
        Self { max_age, classes }
    }

    /// Whether a token shows it. What it does not say is not so.
    #[must_use]
    pub fn is_met_by(&self, claims: &Claims, now: Timestamp) -> bool {
        let lately = self.max_age.is_none_or(|age| claims.auth_time.is_some_and(|at| now.since(at) <= age));
        let acr = || claims.extra.as_ref()?.get("acr")?.as_str();
        let properly = self
            .classes
            .as_ref()
            .is_none_or(|classes| acr().is_some_and(|acr| classes.iter().any(|class| **class == *acr)));
        lately && properly
    }

    /// Whether no sign-in will ever show it: whoever is sent to sign in comes back with as little as before, for ever.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.max_age == Some(Duration::ZERO) || self.classes.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether a challenge can carry a class.
    pub(crate) fn can_be_named(class: &str) -> bool {
        class.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let classes = self.classes.as_deref();
        match classes {
            None if self.max_age.is_none() => Some("asks for nothing: name an age or classes"),
            Some([]) => Some("names no class"),
            _ if self.is_out_of_reach() => Some("no sign-in is younger than a second: name a greater age"),
            Some(classes) if !classes.iter().all(|class| Self::can_be_named(class)) => {
                Some("a class has a character that no challenge can carry")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demands_are_met_together() {
        let seconds = Duration::from_secs;
        let (one, other) =
            (Authentication::within(seconds(300)).by("a b"), Authentication::within(seconds(60)));
        assert_eq!(one.clone().and(&other), Authentication::within(seconds(60)).by("a b"));
        assert_eq!(other.clone().and(&one), Authentication::within(seconds(60)).by("a b"));
        assert_eq!(
            one.clone().and(&Authentication::default().by("b c")),
            Authentication::within(seconds(300)).by("b")
        );
        // No sign-in is of two classes at once.
        let never = one.and(&Authentication::default().by("c"));
        let mut claims =
            Claims::new("https://as", "a".parse().unwrap(), "c".parse().unwrap(), Timestamp::MAX);
        claims.auth_time = Some(Timestamp::from_secs(10));
        claims.extra = Some(std::sync::Arc::new([("acr".to_owned(), "a".into())].into_iter().collect()));
        assert!(Authentication::default().by("b a").is_met_by(&claims, Timestamp::from_secs(10)));
        assert!(!never.is_met_by(&claims, Timestamp::from_secs(10)));
        assert!(never.is_out_of_reach() && !other.is_out_of_reach());
        assert!(Authentication::within(Duration::from_millis(999)).is_out_of_reach());
    }

    #[test]
    fn the_age_counts_to_the_second() {
        // RS-30
        let mut claims =
            Claims::new("https://as", "a".parse().unwrap(), "c".parse().unwrap(), Timestamp::MAX);
        claims.auth_time = Some(Timestamp::from_secs(1000));
        let demand = Authentication::within(Duration::from_secs(300));
        for (now, met) in [(1000, true), (1300, true), (1301, false), (990, true)] {
            assert_eq!(demand.is_met_by(&claims, Timestamp::from_secs(now)), met, "{now}");
        }
    }
}
