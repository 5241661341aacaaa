//! Parameters in their order, which nothing keeps from being wrong.

/// Names and values, as they will be sent.
///
/// ```
/// use oauth_testing::Pairs;
///
/// let mut pairs = Pairs::default();
/// pairs.set("scope", "a b").set("scope", "c").add("resource", "x").add("resource", "y").set("state", "s").remove("state");
/// assert_eq!(pairs.encoded(), "scope=c&resource=x&resource=y");
/// assert_eq!(pairs.get("scope"), Some("c"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Sets a parameter, in the place of the one of that name, if there is one.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.0.iter().position(|(own, _)| own == name) {
            Some(at) => value.clone_into(&mut self.0[at].1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Adds a parameter, beside the one of that name, if there is one.
    pub fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes out all parameters of that name.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// As `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.iter()).finish()
    }

    /// From a URL's query.
    #[must_use]
    pub fn of_query(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }
}
