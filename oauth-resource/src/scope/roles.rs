//! Three roles, for servers whose policy need not be finer.

use crate::scope::rules::{ScopeRules, ScopeRulesBuilder};

/// The scopes of three roles: who may call tools, who may read resources, and who may do all that and what is kept for administrators.
///
/// ```
/// use oauth_resource::{Asked, Need, Operation, ScopePolicy, ScopeRoles};
///
/// let roles = ScopeRoles::default();
/// let rules = roles.rules().tool("restart", roles.admin()).build()?;
/// for (operation, needed) in [
///     (Operation::Tool { name: "search".into() }, "mcp:tools"),
///     (Operation::Tool { name: "restart".into() }, "mcp:admin"),
///     (Operation::Resource { method: "resources/read".into(), uri: "notes://all".into() }, "mcp:resources"),
/// ] {
///     assert_eq!(rules.need(Asked::new(&operation, None)), Need::Scopes(needed.parse()?));
/// }
/// assert!(rules.hierarchy().covers(&"mcp:admin".parse()?, "mcp:tools"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRoles {
    tools: String,
    resources: String,
    admin: String,
}

impl ScopeRoles {
    /// Roles with scopes of your own.
    #[must_use]
    pub fn new(tools: &str, resources: &str, admin: &str) -> Self {
        Self { tools: tools.to_owned(), resources: resources.to_owned(), admin: admin.to_owned() }
    }

    /// What calling a tool needs.
    #[must_use]
    pub fn tools(&self) -> &str {
        &self.tools
    }

    /// What reading a resource, or asking for a prompt, needs.
    #[must_use]
    pub fn resources(&self) -> &str {
        &self.resources
    }

    /// What is kept for administrators needs. It implies the other two.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Rules to go on with: name the tools that are kept for administrators, and whatever else is different. Listing needs any good
    /// token.
    #[must_use]
    pub fn rules(&self) -> ScopeRulesBuilder {
        let rules = ScopeRules::builder("")
            .other_tools(&self.tools)
            .other_prompts(&self.resources)
            .other_resources(&self.resources);
        // A role without a scope is everybody's.
        [&self.tools, &self.resources]
            .into_iter()
            .filter(|role| !role.is_empty())
            .fold(rules, |rules, role| rules.implies(&self.admin, role))
    }
}

impl Default for ScopeRoles {
    fn default() -> Self {
        Self::new("mcp:tools", "mcp:resources", "mcp:admin")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{Asked, Need, Operation, ScopePolicy as _};

    #[test]
    fn roles_of_ones_own_and_one_that_is_everybodys() {
        let roles = ScopeRoles::new("", "library.read", "library.admin");
        let rules = roles.rules().tool("restart", roles.admin()).build().unwrap();
        let need = |operation: Operation<'_>| rules.need(Asked::new(&operation, None));
        assert_eq!(
            need(Operation::Tool { name: "search".into() }),
            Need::Scopes(oauth_core::ScopeSet::empty())
        );
        assert_eq!(
            need(Operation::Tool { name: "restart".into() }),
            Need::Scopes("library.admin".parse().unwrap())
        );
        assert_eq!(
            need(Operation::Prompt { name: "digest".into() }),
            Need::Scopes("library.read".parse().unwrap())
        );
        let held = "library.admin".parse().unwrap();
        assert!(rules.hierarchy().missing(&held, &"library.read".parse().unwrap()).is_empty());
    }
}
