//! Lists, and what is left of them for a caller; what a server says of itself, and what is added. What stays is passed on as it was written.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::sync::Arc;

use oauth_core::ScopeSet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::authorized::Authorized;
use crate::scope::{Asked, Need, Operation};
use crate::tailor::refusal::{id_of, refusal};
use crate::tailor::service::Settings;

/// Which lists a request asks for, or what a stream may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    tools: bool,
    prompts: bool,
    resources: bool,
    templates: bool,
    /// What the server says of itself.
    about: bool,
}

impl Lists {
    pub(super) fn asked_for(body: &[u8]) -> Self {
        let mut lists = Self::default();
        Operation::of_body(body, |operation| match operation.method() {
            "tools/list" => lists.tools = true,
            "prompts/list" => lists.prompts = true,
            "resources/list" => lists.resources = true,
            "resources/templates/list" => lists.templates = true,
            "initialize" | "server/discover" => lists.about = true,
            _ => {}
        });
        lists
    }

    /// All that a stream may hold which answers requests of before.
    pub(super) const fn all() -> Self {
        Self { tools: true, prompts: true, resources: true, templates: true, about: true }
    }

    /// Whether there is something to cut, or to add.
    pub(super) fn concern(self, settings: &Settings) -> bool {
        let lists = self.tools || self.prompts || self.resources || self.templates;
        lists || (self.about && !settings.extensions.is_empty())
    }
}

/// For whom lists are cut, and how.
#[derive(Clone)]
pub(super) struct Tailor {
    pub(super) lists: Lists,
    /// What the request is called that is answered. `None`: several are, or those of before.
    pub(super) id: Option<Box<RawValue>>,
    /// A stream of answers to requests of before (`Last-Event-ID`), among which anything may be.
    pub(super) resumed: bool,
    pub(super) caller: Option<Authorized>,
    pub(super) settings: Arc<Settings>,
}

/// The name of a member may be written with escapes.
type Members<'a> = BTreeMap<Name<'a>, &'a RawValue>;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

/// What cannot be read cannot be cut.
#[derive(Debug)]
pub(super) struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "uriTemplate")]
    template: Option<Cow<'a, str>>,
}

impl Tailor {
    /// What stands in place of a message that cannot be cut, as far as it is known.
    pub(super) fn refusal(&self, message: &[u8]) -> String {
        refusal(id_of(message).as_deref().or(self.id.as_deref()))
    }

    /// A message of JSON-RPC, or a batch of them, cut. `None`: no list is in it, it stays as it is.
    pub(super) fn cut(&self, text: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
        if text.trim_start().starts_with('[') {
            let batch: Vec<&RawValue> = serde_json::from_str(text)?;
            let mut cut = Vec::with_capacity(batch.len());
            for message in batch {
                cut.push(match self.message(message.get()) {
                    Ok(Some(message)) => message,
                    Ok(None) => message.to_owned(),
                    Err(Unreadable) => RawValue::from_string(self.refusal(message.get().as_bytes()))?,
                });
            }
            return Ok(Some(serde_json::to_vec(&cut)?));
        }
        Ok(self.message(text)?.map(|message| Box::<str>::from(message).into_boxed_bytes().into_vec()))
    }

    fn message(&self, text: &str) -> Result<Option<Box<RawValue>>, Unreadable> {
        let mut message: Members<'_> = serde_json::from_str(text)?;
        let Some(result) = message.get("result") else { return Ok(None) };
        let Ok(mut result) = serde_json::from_str::<Members<'_>>(result.get()) else { return Ok(None) };
        let mut cut = Vec::new();
        for (member, wanted) in [
            ("tools", self.lists.tools),
            ("prompts", self.lists.prompts),
            ("resources", self.lists.resources),
            ("resourceTemplates", self.lists.templates),
        ] {
            if let Some(list) = result.get(member).filter(|_| wanted) {
                cut.push((member, self.list(member, list.get())?));
            }
        }
        let about = match result.get("capabilities").filter(|_| self.lists.about) {
            Some(capabilities) => self.with_extensions(capabilities),
            None => None,
        };
        if cut.is_empty() && about.is_none() {
            return Ok(None);
        }
        let private = to_raw_value("private")?;
        if !cut.is_empty() {
            // Whatever the server says: this list is nobody else's (RS-89).
            result.insert("cacheScope".into(), &private);
        }
        if let Some(capabilities) = &about {
            result.insert("capabilities".into(), capabilities);
        }
        for (member, list) in &cut {
            result.insert((*member).into(), list);
        }
        let result = to_raw_value(&result)?;
        message.insert("result".into(), &result);
        Ok(Some(to_raw_value(&message)?))
    }

    fn list(&self, member: &str, text: &str) -> Result<Box<RawValue>, Unreadable> {
        let entries: Vec<&RawValue> = serde_json::from_str(text)?;
        let mut left = Vec::with_capacity(entries.len());
        for entry in entries {
            let named: Named<'_> = serde_json::from_str(entry.get())?;
            let operation = match member {
                "tools" => Operation::Tool { name: named.name.ok_or(Unreadable)? },
                "prompts" => Operation::Prompt { name: named.name.ok_or(Unreadable)? },
                "resources" => {
                    Operation::Resource { method: "resources/read".into(), uri: named.uri.ok_or(Unreadable)? }
                }
                _ => Operation::Resource {
                    method: "resources/read".into(),
                    uri: named.template.ok_or(Unreadable)?,
                },
            };
            let asked = Asked { operation: &operation, caller: self.caller.as_ref() };
            let need = self.settings.policy.need(asked);
            if self.settings.hides && !self.may(&need) {
                continue;
            }
            left.push(if member == "tools" && self.settings.schemes {
                with_schemes(entry, &need)?
            } else {
                entry.to_owned()
            });
        }
        Ok(to_raw_value(&left)?)
    }

    /// What the server can do, with the extensions that stand around it (EXT-2). What it says of one itself stays.
    fn with_extensions(&self, capabilities: &RawValue) -> Option<Box<RawValue>> {
        if self.settings.extensions.is_empty() {
            return None;
        }
        let mut members: Members<'_> = serde_json::from_str(capabilities.get()).ok()?;
        let mut declared = match members.get("extensions") {
            Some(declared) => serde_json::from_str::<Members<'_>>(declared.get()).ok()?,
            None => Members::new(),
        };
        let empty = to_raw_value(&json!({})).ok()?;
        for name in &self.settings.extensions {
            declared.entry((&**name).into()).or_insert(&empty);
        }
        let declared = to_raw_value(&declared).ok()?;
        members.insert("extensions".into(), &declared);
        to_raw_value(&members).ok()
    }

    fn may(&self, need: &Need) -> bool {
        match (need, &self.caller) {
            (Need::Nothing, _) => true,
            (Need::Scopes(needed), Some(caller)) => {
                self.settings.hierarchy().missing(caller.scopes(), needed).is_empty()
            }
            (Need::Scopes(_), None) => false,
        }
    }
}

/// The tool with what it needs, once where the draft puts it and once where older clients look.
fn with_schemes(tool: &RawValue, need: &Need) -> Result<Box<RawValue>, Unreadable> {
    let mut members: Members<'_> = serde_json::from_str(tool.get())?;
    if members.contains_key("securitySchemes") {
        return Ok(tool.to_owned());
    }
    let schemes = to_raw_value(&match need {
        Need::Nothing => json!([{ "type": "noauth" }]),
        Need::Scopes(scopes) => json!([{ "type": "oauth2", "scopes": scopes_of(scopes) }]),
    })?;
    let mut meta = match members.get("_meta") {
        Some(meta) => serde_json::from_str::<Members<'_>>(meta.get())?,
        None => Members::new(),
    };
    meta.entry("securitySchemes".into()).or_insert(&schemes);
    let meta = to_raw_value(&meta)?;
    members.insert("_meta".into(), &meta);
    members.insert("securitySchemes".into(), &schemes);
    Ok(to_raw_value(&members)?)
}

fn scopes_of(scopes: &ScopeSet) -> Vec<&str> {
    scopes.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_member_may_be_written_with_escapes() {
        let message: Members<'_> = serde_json::from_str(r#"{"r\u0065sult":{},"x\"y":1}"#).unwrap();
        assert!(message.contains_key("result") && message.contains_key("x\"y"));
        assert_eq!(serde_json::to_string(&message).unwrap(), r#"{"result":{},"x\"y":1}"#);
    }
}
