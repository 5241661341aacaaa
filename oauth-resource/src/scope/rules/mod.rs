//! A policy of tables: by tool, prompt, resource and method.

mod builder;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use oauth_core::{ScopeHierarchy, ScopeSet};

use crate::scope::authentication::Authentication;
use crate::scope::operation::Operation;
use crate::scope::policy::{Asked, Need, ScopePolicy};

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
        if let Some(scopes) = self.resources.named.get(uri) {
            return Some(scopes.clone());
        }
        let below = |uri: &str| {
            self.below.iter().find(|(prefix, _)| uri.starts_with(&**prefix)).map(|(_, scopes)| scopes)
        };
        let read = decoded(uri);
        let also = self.also_of(&read, below(&read));
        let below = below(uri);
        match below.or(self.resources.others.as_ref()) {
            // `notes://%61rchive/`, `notes://x/../archive/`: another spelling of a place that may have a rule of its own.
            Some(scopes) if (self.below.is_empty() && self.resources.named.is_empty()) || is_plain(uri) => {
                Some(scopes.union(&also))
            }
            _ => None,
        }
    }

    /// What the places need that a server which is not strict may read a URI as: `notes://h/a%40b`, `notes://h/secret/`, `notes://h/secret#x`.
    fn also_of(&self, read: &str, below: Option<&ScopeSet>) -> ScopeSet {
        let bare = |uri: &str| {
            let end = uri.find(['?', '#']).unwrap_or(uri.len());
            uri[..end].trim_end_matches('/').len()
        };
        let read = &read[..bare(read)];
        let named = self.resources.named.iter().filter(|(named, _)| {
            let named = decoded(named);
            named[..bare(&named)] == *read
        });
        named.fold(below.cloned().unwrap_or_default(), |all, (_, scopes)| all.union(scopes))
    }
}

/// A URI with everything as it is that may be, and what is encoded in capitals: `%3a` and `%3A` are one, and `:` is most often, too.
fn decoded(uri: &str) -> Cow<'_, str> {
    if !uri.contains('%') {
        return Cow::Borrowed(uri);
    }
    let mut text = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3);
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_graphic() && byte != b'%' => {
                text.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            _ => {
                let end = rest.len().min(at + 3);
                let end = if rest.is_char_boundary(end) { end } else { at + 1 };
                text.push_str(&rest[at..end].to_ascii_uppercase());
                rest = &rest[end..];
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Whether a URI has one spelling only, as far as servers agree: no dot segment, no empty one, no backslash, no percent-encoding
/// but of what must be, scheme and host in lower case.
fn is_plain(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let lower = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let segments = path.strip_prefix('/').unwrap_or(path);
    let last = segments.matches('/').count();
    let plain_segments = segments
        .split('/')
        .enumerate()
        .all(|(index, segment)| segment != "." && segment != ".." && (index == last || !segment.is_empty()));
    let bytes = uri.as_bytes();
    let plain_encoding = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.is_some_and(|byte| {
            !byte.is_ascii_alphanumeric() && !b"-._~/\\%:".contains(&byte) && byte >= 0x20
        })
    });
    let printable = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    lower(scheme) && lower(host) && plain_segments && plain_encoding && uri.chars().all(printable)
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
            .build()
            .unwrap();
        for (uri, needed) in [
            ("notes://h/a", "read"),
            ("notes://h/a%20b/", "read"),
            ("notes://h/private/a", "admin"),
            ("notes://h/private/readme", "read"),
            ("notes://h/private/README", "admin"),
            ("notes://h/%70rivate/a", "admin min read"),
            ("notes://h/x/../private/a", "admin min read"),
            ("notes://h/x/%2e%2e/private/a", "admin min read"),
            ("notes://h//private/a", "admin min read"),
            ("notes://h/./private/a", "admin min read"),
            ("notes://h\\private\\a", "admin min read"),
            ("notes://H/private/a", "admin min read"),
            ("NOTES://h/private/a", "admin min read"),
            ("notes://h/private%2Fa", "admin min read"),
            ("notes://h/%zz", "admin min read"),
            ("file:///etc", "admin min read"),
            // Not another spelling to everybody, but to some.
            ("notes://h/secret", "admin"),
            ("notes://h/secret/", "admin read"),
            ("notes://h/secret#x", "admin read"),
            ("notes://h/secret?x", "admin read"),
            ("notes://h/%40b", "admin read"),
            ("notes://h/@b/", "admin read"),
            ("notes://h/%c3%a9", "admin read"),
            ("notes://h/secretary", "read"),
            ("notes://h/a?b#c", "read"),
            ("notes://%h", "admin min read"),
            ("notes://h/%é", "admin min read"),
            // A template may expand to what is guarded.
            ("notes://h/{area}/a", "admin read"),
            ("notes://h/private/{name}", "admin read"),
            ("notes://h/open/{name}", "read"),
        ] {
            assert_eq!(rules.of_resource(uri).as_str(), needed, "{uri}");
        }
    }
}
