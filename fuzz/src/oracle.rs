//! What a message of JSON-RPC asks for, told from a tree: slow, plain, and by another reader than the one that is tried.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What a body is.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// All readers find this in it.
    Classified(Vec<String>),
    /// Readers may differ.
    Ambiguous,
    /// serde_json refuses it for a reason of its own: a number out of range, half a surrogate pair, its depth.
    Unreadable,
}

/// A JSON value that keeps members that stand twice.
enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Null,
    Other,
}

/// How many messages a batch may have, and how deep values may nest: the layer's own bounds.
const MAX_BATCH: usize = 256;
const MAX_DEPTH: usize = 100;

const MESSAGE: [&str; 4] = ["method", "params", "result", "error"];
const PARAMS: [&str; 6] = ["name", "uri", "ref", "taskId", "notifications", "_meta"];

/// Reads a body.
#[must_use]
pub fn operations(body: &[u8]) -> Reading {
    let json = match serde_json::from_slice::<Json>(body) {
        Ok(json) => json,
        Err(error) => {
            let reason = error.to_string();
            let own = ["out of range", "surrogate", "end of hex escape", "recursion limit"];
            return if own.iter().any(|own| reason.contains(own)) {
                Reading::Unreadable
            } else {
                Reading::Ambiguous
            };
        }
    };
    if json.depth() > MAX_DEPTH {
        // The layer counts from where it begins to skip: near its bound either answer is right.
        return Reading::Unreadable;
    }
    if json.has_private() {
        return Reading::Ambiguous;
    }
    let messages = match &json {
        Json::Array(messages) if messages.is_empty() || messages.len() > MAX_BATCH => {
            return Reading::Ambiguous;
        }
        Json::Array(messages) => messages.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found = Vec::new();
    match messages.iter().try_for_each(|message| told(message, &mut found)) {
        Some(()) => Reading::Classified(found),
        None => Reading::Ambiguous,
    }
}

fn told(message: &Json, found: &mut Vec<String>) -> Option<()> {
    let members = message.members()?;
    no_alias(members, &MESSAGE)?;
    let is_response = members.iter().any(|(name, _)| name == "result" || name == "error");
    let method = match sole(members, "method")? {
        None if is_response => {
            params(members)?;
            return Some(found.push("response".to_owned()));
        }
        Some(Json::Text(method)) if !is_response => method,
        _ => return None,
    };
    let params = params(members)?;
    let text = |name| sole(params, name)?.and_then(Json::text);
    match method.as_str() {
        "tools/call" => found.push(format!("tool {}", text("name")?)),
        "prompts/get" => found.push(format!("prompt {}", text("name")?)),
        "resources/read"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "resources/directory/read"
        | "skills/get" => {
            found.push(format!("resource {method} {}", text("uri")?));
        }
        "completion/complete" => {
            let reference = sole(params, "ref")??.members()?;
            let text = |name| {
                no_alias(reference, &[name])?;
                sole(reference, name)?.and_then(Json::text)
            };
            match text("type")? {
                "ref/prompt" => found.push(format!("prompt {}", text("name")?)),
                "ref/resource" => found.push(format!("resource {method} {}", text("uri")?)),
                _ => return None,
            }
        }
        "subscriptions/listen" => {
            found.push(format!("method {method}"));
            let Some(filter) = sole(params, "notifications")? else { return Some(()) };
            let filter = filter.members()?;
            no_alias(filter, &["resourceSubscriptions"])?;
            match sole(filter, "resourceSubscriptions")? {
                None | Some(Json::Null) => {}
                Some(Json::Array(uris)) => {
                    for uri in uris {
                        found.push(format!("resource {method} {}", uri.text()?));
                    }
                }
                Some(_) => return None,
            }
        }
        other => found.push(format!("method {other}")),
    }
    Some(())
}

/// The members of `params`; none where it is no object.
fn params(members: &[(String, Json)]) -> Option<&[(String, Json)]> {
    let params = sole(members, "params")?.and_then(Json::members).unwrap_or_default();
    no_alias(params, &PARAMS)?;
    PARAMS.iter().try_for_each(|name| sole(params, name).map(drop))?;
    Some(params)
}

/// The member of that name; `None` if it stands twice.
fn sole<'j>(members: &'j [(String, Json)], name: &str) -> Option<Option<&'j Json>> {
    let mut found = members.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
    let first = found.next();
    if found.next().is_some() { None } else { Some(first) }
}

/// No member that a forgiving reader takes for one of these.
fn no_alias(members: &[(String, Json)], names: &[&str]) -> Option<()> {
    let is_alias = |own: &String| {
        !names.contains(&own.as_str())
            && (!own.is_ascii() || names.iter().any(|name| name.eq_ignore_ascii_case(own)))
    };
    if members.iter().any(|(own, _)| is_alias(own)) { None } else { Some(()) }
}

impl Json {
    fn members(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn has_private(&self) -> bool {
        match self {
            Self::Object(members) => members
                .iter()
                .any(|(name, value)| name.starts_with("$serde_json::private::") || value.has_private()),
            Self::Array(items) => items.iter().any(Self::has_private),
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("json")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
