//! Collects rules, and what is wrong with them.

use std::collections::{BTreeMap, HashMap};

use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{ScopeHierarchy, ScopeSet};

use crate::canonical::canonical;
use crate::config::{ConfigError, ConfigErrors};
use crate::scope::authentication::Authentication;
use crate::scope::policy::Need;
use crate::scope::rules::{NAMING, ScopeRules, Table};

/// Collects rules; what is wrong with them is said by [`build`](Self::build), all at once.
///
/// ```
/// use oauth_resource::ScopeRules;
/// assert!(ScopeRules::builder("").tool("x", "a b").build().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScopeRulesBuilder {
    minimum: ScopeSet,
    tools: Table,
    prompts: Table,
    resources: Table,
    below: BTreeMap<Box<str>, ScopeSet>,
    methods: HashMap<Box<str>, Need>,
    authentications: HashMap<Box<str>, Authentication>,
    hierarchy: ScopeHierarchy,
    errors: Vec<ConfigError>,
}

impl ScopeRulesBuilder {
    pub(super) fn new(minimum: &str) -> Self {
        let mut builder = Self::default();
        builder.minimum = builder.scopes(minimum, || "the minimum".to_owned());
        builder
    }

    fn scopes(&mut self, text: &str, what: impl Fn() -> String) -> ScopeSet {
        match text.parse::<ScopeSet>() {
            Ok(scopes) if scopes.contains(OFFLINE_ACCESS) => {
                self.errors.push(ConfigError::OfflineAccess(what()));
                scopes
            }
            Ok(scopes) => scopes,
            Err(source) => {
                self.errors.push(ConfigError::Scopes { text: text.to_owned(), what: what(), source });
                ScopeSet::empty()
            }
        }
    }

    /// Of two rules for one thing, nobody can tell which was meant.
    fn once(&mut self, before: bool, what: impl Fn() -> String) {
        if before {
            self.errors.push(ConfigError::Rule { what: what(), why: "it stands twice" });
        }
    }

    /// What calling a tool needs.
    #[must_use]
    pub fn tool(mut self, name: &str, scopes: &str) -> Self {
        let what = || format!("tool {name:?}");
        let scopes = self.scopes(scopes, what);
        let before = self.tools.named.insert(name.into(), scopes).is_some();
        self.once(before, what);
        self
    }

    /// How lately, and by which means, the user must have signed in to call a tool (RS-30). What cannot be told apart from it, an unreadable
    /// message say, needs the same. Where tools ask for classes that exclude each other, a batch of both is refused without a challenge, and so is
    /// what has no rule: no sign-in would do.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oauth_resource::{Asked, Authentication, Operation, ScopePolicy, ScopeRules};
    ///
    /// let lately = Authentication::within(Duration::from_secs(300));
    /// let rules = ScopeRules::builder("notes:read")
    ///     .tool("list_notes", "notes:read")
    ///     .tool("delete_all", "notes:delete")
    ///     .tool_authentication("delete_all", lately.clone())
    ///     .build()?;
    /// let asked = |operation| rules.authentication(Asked::new(&operation, None));
    /// assert_eq!(asked(Operation::Tool { name: "delete_all".into() }), Some(lately.clone()));
    /// assert_eq!(asked(Operation::Tool { name: "list_notes".into() }), None);
    /// assert_eq!(asked(Operation::Unclassified), Some(lately));
    /// # Ok::<(), oauth_resource::ConfigErrors>(())
    /// ```
    #[must_use]
    pub fn tool_authentication(mut self, name: &str, authentication: Authentication) -> Self {
        if let Some(why) = authentication.fault() {
            self.errors.push(ConfigError::Rule { what: format!("authentication for tool {name:?}"), why });
        }
        let before = self.authentications.insert(name.into(), authentication).is_some();
        self.once(before, || format!("authentication for tool {name:?}"));
        self
    }

    /// What tools need whose name begins so, and that have no rule of their own. The longest beginning counts; names are compared letter by letter.
    ///
    /// ```
    /// use oauth_resource::{Asked, Need, Operation, ScopePolicy, ScopeRules};
    ///
    /// let rules = ScopeRules::builder("").tools_beginning("admin_", "mcp:admin").other_tools("mcp:tools").build()?;
    /// let need = |name: &'static str| rules.need(Asked::new(&Operation::Tool { name: name.into() }, None));
    /// assert_eq!(need("admin_restart"), Need::Scopes("mcp:admin".parse()?));
    /// assert_eq!(need("search"), Need::Scopes("mcp:tools".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tools_beginning(self, prefix: &str, scopes: &str) -> Self {
        self.beginning("tools", |rules| &mut rules.tools, prefix, scopes)
    }

    /// What tools without a rule need, instead of the strictest set.
    #[must_use]
    pub fn other_tools(mut self, scopes: &str) -> Self {
        self.tools.others = Some(self.scopes(scopes, || "other tools".to_owned()));
        self
    }

    /// What a prompt needs.
    #[must_use]
    pub fn prompt(mut self, name: &str, scopes: &str) -> Self {
        let what = || format!("prompt {name:?}");
        let scopes = self.scopes(scopes, what);
        let before = self.prompts.named.insert(name.into(), scopes).is_some();
        self.once(before, what);
        self
    }

    /// What prompts need whose name begins with `prefix`. A rule for the whole name comes first, then the longest prefix.
    ///
    /// ```
    /// use oauth_resource::{Asked, Need, Operation, ScopePolicy, ScopeRules};
    ///
    /// let rules = ScopeRules::builder("").prompts_beginning("draft_", "mcp:write").prompt("draft_help", "mcp:read").build()?;
    /// let need = |name: &'static str| rules.need(Asked::new(&Operation::Prompt { name: name.into() }, None));
    /// assert_eq!(need("draft_mail"), Need::Scopes("mcp:write".parse()?));
    /// assert_eq!(need("draft_help"), Need::Scopes("mcp:read".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prompts_beginning(self, prefix: &str, scopes: &str) -> Self {
        self.beginning("prompts", |rules| &mut rules.prompts, prefix, scopes)
    }

    /// A rule for all in a table whose name begins so.
    fn beginning(
        mut self,
        those: &str,
        table: fn(&mut Self) -> &mut Table,
        prefix: &str,
        scopes: &str,
    ) -> Self {
        let what = || format!("{those} beginning {prefix:?}");
        if prefix.is_empty() {
            let why = "every name begins so: that is the rule for the others";
            self.errors.push(ConfigError::Rule { what: what(), why });
        }
        let scopes = self.scopes(scopes, what);
        let before = table(&mut self).beginning.insert(prefix.into(), scopes).is_some();
        self.once(before, what);
        self
    }

    /// What prompts without a rule need, instead of the strictest set.
    #[must_use]
    pub fn other_prompts(mut self, scopes: &str) -> Self {
        self.prompts.others = Some(self.scopes(scopes, || "other prompts".to_owned()));
        self
    }

    /// What a resource needs, by its URI: letter by letter, but that `%40` and `@` are one.
    #[must_use]
    pub fn resource(mut self, uri: &str, scopes: &str) -> Self {
        let what = || format!("resource {uri:?}");
        let scopes = self.scopes(scopes, what);
        let before = self.resources.named.insert((*canonical(uri)).into(), scopes).is_some();
        self.once(before, what);
        self
    }

    /// What resources need whose URI begins with `prefix`, which ends with `/` or `:`. The longest prefix counts. A URI that could
    /// be spelled otherwise (`..`, `%2e`, capitals in the host) needs the strictest set.
    #[must_use]
    pub fn resources_below(mut self, prefix: &str, scopes: &str) -> Self {
        if !prefix.ends_with(['/', ':']) {
            let why = "a prefix ends with / or :, or it covers its neighbours too";
            self.errors.push(ConfigError::Rule { what: format!("resources below {prefix:?}"), why });
        }
        let what = || format!("resources below {prefix:?}");
        let scopes = self.scopes(scopes, what);
        let before = self.below.insert((*canonical(prefix)).into(), scopes).is_some();
        self.once(before, what);
        self
    }

    /// What resources without a rule need, instead of the strictest set.
    #[must_use]
    pub fn other_resources(mut self, scopes: &str) -> Self {
        self.resources.others = Some(self.scopes(scopes, || "other resources".to_owned()));
        self
    }

    /// What a method needs that names neither tool, prompt nor resource.
    #[must_use]
    pub fn method(mut self, method: &str, scopes: &str) -> Self {
        let scopes = self.scopes(scopes, || format!("method {method:?}"));
        self.method_need(method, Need::Scopes(scopes));
        self
    }

    /// A method that needs no token (RS-88). A token that is presented must be good all the same (A-AUD-14).
    #[must_use]
    pub fn anonymous(mut self, method: &str) -> Self {
        self.method_need(method, Need::Nothing);
        self
    }

    fn method_need(&mut self, method: &str, need: Need) {
        if NAMING.contains(&method) {
            let why = "decided by what it names: use tool, prompt or resource";
            self.errors.push(ConfigError::Rule { what: format!("method {method:?}"), why });
        }
        let before = self.methods.insert(method.into(), need).is_some();
        self.once(before, || format!("method {method:?}"));
    }

    /// Who has `broader` has `narrower` too (RS-24): one scope each. No common prefix counts, only what is said here.
    #[must_use]
    pub fn implies(mut self, broader: &str, narrower: &str) -> Self {
        for text in [broader, narrower] {
            let what = || format!("implies {broader:?} {narrower:?}");
            let scopes = self.scopes(text, what);
            // What cannot be read at all was said above.
            if text.parse::<ScopeSet>().is_ok() && (scopes.iter().count() != 1 || scopes.as_str() != text) {
                let why = "one scope implies one other; say each by itself";
                self.errors.push(ConfigError::Rule { what: what(), why });
            }
        }
        self.hierarchy = self.hierarchy.implies(broader, narrower);
        self
    }

    /// The rules.
    ///
    /// # Errors
    /// Everything that is wrong, not the first of it.
    pub fn build(self) -> Result<ScopeRules, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let mut below: Vec<_> = self.below.into_iter().collect();
        below.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let tables = [&self.tools, &self.prompts, &self.resources];
        let strictest = tables
            .iter()
            .flat_map(|table| table.named.values().chain(table.beginning.values()).chain(&table.others))
            .chain(below.iter().map(|(_, scopes)| scopes))
            .chain(self.methods.values().filter_map(|need| match need {
                Need::Scopes(scopes) => Some(scopes),
                Need::Nothing => None,
            }))
            .fold(self.minimum.clone(), |all, scopes| all.union(scopes));
        let strictest_authentication =
            self.authentications.values().cloned().reduce(|all, more| all.and(&more));
        Ok(ScopeRules {
            minimum: self.minimum,
            strictest,
            tools: self.tools,
            prompts: self.prompts,
            resources: self.resources,
            below,
            methods: self.methods,
            authentications: self.authentications,
            strictest_authentication,
            hierarchy: self.hierarchy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        // RS-8
        let errors = ScopeRules::builder("a offline_access")
            .tool("t", "b\"")
            .resources_below("notes://a", "c")
            .method("tools/call", "d")
            .anonymous("resources/read")
            .build()
            .unwrap_err();
        assert_eq!(errors.iter().count(), 5, "{errors}");
    }

    #[test]
    fn of_two_rules_for_one_thing_none_is_dropped_in_silence() {
        let lately = || Authentication::within(std::time::Duration::from_secs(60));
        let errors = ScopeRules::builder("a")
            .tool("danger", "admin")
            .tool("danger", "read")
            .tools_beginning("x_", "a")
            .tools_beginning("x_", "b")
            .prompt("p", "a")
            .prompt("p", "b")
            .resource("notes://h/@b", "a")
            .resource("notes://h/%40b", "b")
            .resources_below("notes://h/", "a")
            .resources_below("notes://h/", "b")
            .method("x/y", "a")
            .anonymous("x/y")
            .tool_authentication("danger", lately())
            .tool_authentication("danger", lately())
            .build()
            .unwrap_err();
        assert_eq!(errors.iter().count(), 7, "{errors}");
        assert!(errors.to_string().contains("rule for tool \"danger\": it stands twice"), "{errors}");
    }

    #[test]
    fn one_scope_implies_one_other() {
        for (broader, narrower) in [
            ("admin", "read write"),
            ("admin root", "read"),
            ("", "read"),
            ("admin", ""),
            ("admin", " read"),
            ("admin", "re\"ad"),
            ("offline_access", "read"),
        ] {
            let errors = ScopeRules::builder("a").implies(broader, narrower).build().unwrap_err();
            assert_eq!(errors.iter().count(), 1, "{errors}");
            assert!(errors.to_string().contains(&format!("implies {broader:?} {narrower:?}")), "{errors}");
        }
        assert!(ScopeRules::builder("a").implies("admin", "read").implies("admin", "write").build().is_ok());
    }
}
