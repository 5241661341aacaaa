//! A policy of tables: by tool, prompt, resource and method.

mod builder;
mod spelling;

use std::collections::{BTreeMap, HashMap};

use oauth_core::{ScopeHierarchy, ScopeSet};

use crate::canonical::canonical;
use crate::scope::authentication::Authentication;
use crate::scope::operation::Operation;
use crate::scope::policy::{Asked, Need, ScopePolicy};

use spelling::is_plain;

pub use builder::ScopeRulesBuilder;

/// Scopes by tool, prompt, resource and method.
///
/// 1. A rule says all that its operation needs; the minimum is not added to it.
/// 2. Methods without a rule that only list, subscribe or keep the protocol going need the minimum.
/// 3. A tool, a prompt or a resource without a rule, a method that MCP does not know, and what cannot be read need the
///    *strictest set*: all scopes of all rules. So a tool that was forgotten here is not open to everybody (A-AUD-11);
///    [`other_tools`](ScopeRulesBuilder::other_tools) and its like set something else. The same goes for the sign-in that
///    [`tool_authentication`](ScopeRulesBuilder::tool_authentication) asks for.
///
/// ```
/// use oauth_resource::{Asked, Need, Operation, ScopePolicy, ScopeRules};
///
/// let rules = ScopeRules::builder("notes:read")
///     .tool("list_notes", "notes:read")
///     .tool("add_note", "notes:write")
///     .resources_below("notes://archive/", "notes:archive")
///     .anonymous("server/discover")
///     .implies("notes:write", "notes:read")
///     .build()?;
///
/// let need = |operation| match rules.need(Asked::new(&operation, None)) {
///     Need::Scopes(scopes) => scopes.to_string(),
///     Need::Nothing => "nothing".to_owned(),
/// };
/// assert_eq!(need(Operation::Tool { name: "add_note".into() }), "notes:write");
/// assert_eq!(need(Operation::Tool { name: "Add_Note".into() }), "notes:archive notes:read notes:write");
/// assert_eq!(need(Operation::Method { name: "tools/list".into() }), "notes:read");
/// assert_eq!(need(Operation::Method { name: "server/discover".into() }), "nothing");
/// # Ok::<(), oauth_resource::ConfigErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScopeRules {
    minimum: ScopeSet,
    strictest: ScopeSet,
    tools: Table,
    prompts: Table,
    resources: Table,
    // Longest first.
    below: Vec<(Box<str>, ScopeSet)>,
    methods: HashMap<Box<str>, Need>,
    authentications: HashMap<Box<str>, Authentication>,
    strictest_authentication: Option<Authentication>,
    hierarchy: ScopeHierarchy,
}

/// Needs by name, and of any other name.
#[derive(Clone, Debug, Default)]
struct Table {
    named: HashMap<Box<str>, ScopeSet>,
    // By how names begin.
    beginning: BTreeMap<Box<str>, ScopeSet>,
    others: Option<ScopeSet>,
}

impl Table {
    fn find(&self, name: &str) -> Option<&ScopeSet> {
        let beginning = || {
            let reached = self.beginning.iter().filter(|(prefix, _)| name.starts_with(&***prefix));
            reached.max_by_key(|(prefix, _)| prefix.len()).map(|(_, scopes)| scopes)
        };
        self.named.get(name).or_else(beginning).or(self.others.as_ref())
    }
}

/// Methods of MCP, of any version, that name nothing and change nothing but the session itself.
fn is_plain_method(name: &str) -> bool {
    matches!(
        name,
        "initialize"
            | "ping"
            | "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "skills/list"
            | "logging/setLevel"
            | "subscriptions/listen"
            | "tasks/get"
            | "tasks/result"
            | "tasks/list"
            | "tasks/update"
            | "tasks/cancel"
            | "notifications/cancelled"
            | "notifications/progress"
            | "notifications/initialized"
            | "notifications/roots/list_changed"
    )
}

/// Methods that are decided by what they name.
const NAMING: [&str; 8] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "resources/directory/read",
    "skills/get",
    "completion/complete",
];

impl ScopeRules {
    /// Rules beside a minimum: what basic use needs. Several scopes are separated by spaces.
    #[must_use]
    pub fn builder(minimum: &str) -> ScopeRulesBuilder {
        ScopeRulesBuilder::new(minimum)
    }

    fn of_table<'a>(&'a self, table: &'a Table, name: &str) -> &'a ScopeSet {
        table.find(name).unwrap_or(&self.strictest)
    }

    fn of_resource(&self, uri: &str) -> ScopeSet {
        self.rule_of_resource(uri).unwrap_or_else(|| self.strictest.clone())
    }

    /// `None`: the strictest set.
    fn rule_of_resource(&self, uri: &str) -> Option<ScopeSet> {
        // A completion names a template: whatever it may expand to counts.
        if let Some((literal, rest)) = uri.split_once('{') {
            let literal = &*canonical(literal);
            // What leads elsewhere once it is expanded is no template of anything below `literal`.
            let leads_away = rest.contains(['%', '\\'])
                || rest.split('/').any(|segment| segment == "." || segment == "..");
            if leads_away {
                return None;
            }
            let below = self.below.iter().map(|(prefix, scopes)| (prefix, scopes));
            let reached =
                self.resources.named.iter().chain(below).filter(|(rule, _)| rule.starts_with(literal));
            return Some(reached.fold(self.rule_of_resource(literal)?, |all, (_, scopes)| all.union(scopes)));
        }
        // What the rules are written in, too.
        let read = canonical(uri);
        if let Some(scopes) = self.resources.named.get(&*read) {
            return Some(scopes.clone());
        }
        let below =
            self.below.iter().find(|(prefix, _)| read.starts_with(&**prefix)).map(|(_, scopes)| scopes);
        match below.or(self.resources.others.as_ref()) {
            // `notes://%61rchive/`, `notes://x/../archive/`: another spelling of a place that may have a rule of its own.
            Some(scopes) if (self.below.is_empty() && self.resources.named.is_empty()) || is_plain(uri) => {
                Some(self.and_of_neighbours(scopes, &read))
            }
            _ => None,
        }
    }

    /// Beside `scopes`, what the places need that a server which is not strict may read a URI as: `notes://h/secret/`, `notes://h/secret#x`.
    fn and_of_neighbours(&self, scopes: &ScopeSet, read: &str) -> ScopeSet {
        let bare = |uri: &str| {
            let end = uri.find(['?', '#']).unwrap_or(uri.len());
            uri[..end].trim_end_matches('/').len()
        };
        let read = &read[..bare(read)];
        let named = self.resources.named.iter().filter(|(named, _)| named[..bare(named)] == *read);
        named.fold(scopes.clone(), |all, (_, scopes)| all.union(scopes))
    }
}

impl ScopePolicy for ScopeRules {
    fn need(&self, asked: Asked<'_>) -> Need {
        Need::Scopes(match asked.operation {
            Operation::Tool { name } => self.of_table(&self.tools, name).clone(),
            Operation::Prompt { name } => self.of_table(&self.prompts, name).clone(),
            Operation::Resource { uri, .. } => self.of_resource(uri),
            Operation::Method { name } => match self.methods.get(&**name) {
                Some(need) => return need.clone(),
                None if is_plain_method(name) => self.minimum.clone(),
                None => self.strictest.clone(),
            },
            Operation::Response | Operation::Http { .. } => self.minimum.clone(),
            Operation::Unclassified => self.strictest.clone(),
        })
    }

    fn authentication(&self, asked: Asked<'_>) -> Option<Authentication> {
        // Most resources ask for none, at no tool.
        let strictest = self.strictest_authentication.as_ref()?;
        let has_rule = |table: &Table, name: &str| table.find(name).is_some();
        let falls_to_strictest = match asked.operation {
            Operation::Tool { name } => match self.authentications.get(&**name) {
                Some(own) if has_rule(&self.tools, name) => return Some(own.clone()),
                _ => !has_rule(&self.tools, name),
            },
            Operation::Prompt { name } => !has_rule(&self.prompts, name),
            Operation::Resource { uri, .. } => self.rule_of_resource(uri).is_none(),
            Operation::Method { name } => !self.methods.contains_key(&**name) && !is_plain_method(name),
            Operation::Response | Operation::Http { .. } => false,
            Operation::Unclassified => true,
        };
        falls_to_strictest.then(|| strictest.clone())
    }

    fn minimum(&self) -> &ScopeSet {
        &self.minimum
    }

    fn hierarchy(&self) -> &ScopeHierarchy {
        &self.hierarchy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_of_a_resource_needs_the_strictest_set() {
        let rules = ScopeRules::builder("min")
            .resources_below("notes://", "read")
            .resources_below("notes://h/private/", "admin")
            .resource("notes://h/private/readme", "read")
            .resource("notes://h/secret", "admin")
            .resource("notes://h/@b", "admin")
            .resource("notes://h/%C3%A9", "admin")
            .resources_below("notes://h/%40team/", "team")
            .resources_below("notes://h/%c3%a8/", "team")
            .resources_below("https://", "read")
            .build()
            .unwrap();
        for (uri, needed) in [
            ("notes://h/a", "read"),
            ("notes://h/a%20b/", "read"),
            ("notes://h/private/a", "admin"),
            ("notes://h/private/readme", "read"),
            ("notes://h/private/README", "admin"),
            ("notes://h/%70rivate/a", "admin min read team"),
            ("notes://h/x/../private/a", "admin min read team"),
            ("notes://h/x/%2e%2e/private/a", "admin min read team"),
            ("notes://h//private/a", "admin min read team"),
            ("notes://h/./private/a", "admin min read team"),
            ("notes://h\\private\\a", "admin min read team"),
            ("notes://H/private/a", "admin min read team"),
            ("NOTES://h/private/a", "admin min read team"),
            ("notes://h/private%2Fa", "admin min read team"),
            ("notes://h/%zz", "admin min read team"),
            ("file:///etc", "admin min read team"),
            // Not another spelling to everybody, but to some.
            ("notes://h/secret", "admin"),
            ("notes://h/secret/", "admin read"),
            ("notes://h/secret#x", "admin read"),
            ("notes://h/secret?x", "admin read"),
            ("notes://h/%40b", "admin"),
            ("notes://h/@b/", "admin read"),
            ("notes://h/%c3%a9", "admin"),
            ("notes://h/secretary", "read"),
            ("notes://h/a?b#c", "read"),
            ("notes://h/é", "admin"),
            ("notes://h/é/", "admin read"),
            ("notes://@h/secret", "admin min read team"),
            ("notes://h:/secret", "admin min read team"),
            ("https://h:443/x", "admin min read team"),
            ("https://h:8443/x", "read"),
            ("notes://h/@team/a", "team"),
            ("notes://h/%40team/a", "team"),
            ("notes://h/%40TEAM/a", "read"),
            ("notes://h/\u{e8}/a", "team"),
            ("notes://h/%C3%A8/a", "team"),
            ("notes://h/%c3%a8/a", "team"),
            ("notes://h/%40{x}", "admin read team"),
            ("notes://h/@{x}", "admin read team"),
            ("notes://%h", "admin min read team"),
            ("notes://h/%é", "admin min read team"),
            // A template may expand to what is guarded.
            ("notes://h/{area}/a", "admin read team"),
            ("notes://h/private/{name}", "admin read"),
            ("notes://h/open/{name}", "read"),
        ] {
            assert_eq!(rules.of_resource(uri).as_str(), needed, "{uri}");
        }
    }
}
