//! A form as a person finds it, and what a browser sends of it: the
//! [form submission algorithm](https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#form-submission-algorithm).

use std::collections::BTreeMap;

use http::Method;
use url::Url;

use super::BrowserError;

/// A form of a page.
///
/// A person can [`fill`](Self::fill), [`tick`](Self::tick) and [`untick`](Self::untick) what is there. An attacker who edits the page
/// can also [`forge`](Self::forge) and [`strip`](Self::strip).
///
/// ```
/// use oauth_testing::Page;
///
/// let html = r#"<form method="post" action="/consent">
///     <input type="hidden" name="ticket" value="t1">
///     <label><input type="checkbox" name="scope" value="notes:write" checked> Change notes</label>
///     <button name="decision" value="allow">Allow</button>
/// </form>"#;
/// let page = Page::of_html("https://as.example/authorize", html);
/// let form = page.form_with_button("Allow")?.clone().untick("scope", "notes:write")?;
/// assert_eq!(form.pairs(Some("Allow"))?, [("ticket".into(), "t1".into()), ("decision".into(), "allow".into())]);
/// # Ok::<(), oauth_testing::BrowserError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Form {
    /// Its `id`.
    pub id: Option<String>,
    /// Where it goes.
    pub action: Url,
    /// `GET` or `POST`.
    pub method: Method,
    /// Its fields and buttons, in their order.
    pub controls: Vec<Control>,
    pub(super) page: Url,
    pub(super) referrer_policy: Option<String>,
    forged: Vec<(String, String)>,
}

/// A field or a button.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Control {
    /// Its `id`.
    pub id: Option<String>,
    /// Its name; empty: not sent.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it is.
    pub kind: ControlKind,
    /// What a person reads: its label, or what is written on a button.
    pub text: String,
    /// Whether it is ticked.
    pub checked: bool,
    /// Whether it can be neither changed nor sent.
    pub disabled: bool,
    /// Whether nobody sees it.
    pub hidden: bool,
    action: Option<Url>,
    method: Option<String>,
}

/// What a control is.
///
/// ```
/// use oauth_testing::ControlKind;
/// assert_eq!(ControlKind::Text("password".to_owned()).as_str(), "password");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlKind {
    /// For the server's own use.
    Hidden,
    /// Something to write in: `text`, `password`, `email`, `textarea`, …
    Text(String),
    /// A box to tick.
    Checkbox,
    /// One of several of the same name.
    Radio,
    /// One of these values.
    Select(Vec<String>),
    /// A button that sends the form.
    Submit,
    /// A button that does not.
    Button,
}

impl ControlKind {
    /// As it stands in HTML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hidden => "hidden",
            Self::Text(kind) => kind,
            Self::Checkbox => "checkbox",
            Self::Radio => "radio",
            Self::Select(_) => "select",
            Self::Submit => "submit",
            Self::Button => "button",
        }
    }

    pub(super) fn of_input(attributes: &BTreeMap<String, String>) -> Self {
        match attributes.get("type").map(|kind| kind.to_ascii_lowercase()).as_deref() {
            Some("hidden") => Self::Hidden,
            Some("checkbox") => Self::Checkbox,
            Some("radio") => Self::Radio,
            Some("submit" | "image") => Self::Submit,
            Some("button" | "reset") => Self::Button,
            Some(other) => Self::Text(other.to_owned()),
            None => Self::Text("text".to_owned()),
        }
    }

    pub(super) fn of_button(attributes: &BTreeMap<String, String>) -> Self {
        match attributes.get("type").map(|kind| kind.to_ascii_lowercase()).as_deref() {
            Some("button" | "reset") => Self::Button,
            _ => Self::Submit,
        }
    }
}

impl Control {
    pub(super) fn read(
        attributes: &BTreeMap<String, String>,
        kind: ControlKind,
        disabled: bool,
        page: &Url,
    ) -> Self {
        let get = |name: &str| attributes.get(name).cloned();
        let ticked = matches!(kind, ControlKind::Checkbox | ControlKind::Radio);
        let value = get("value").unwrap_or_else(|| if ticked { "on".to_owned() } else { String::new() });
        Self {
            id: get("id"),
            name: get("name").unwrap_or_default(),
            text: String::new(),
            value,
            kind,
            checked: attributes.contains_key("checked"),
            disabled: disabled || attributes.contains_key("disabled"),
            hidden: attributes.contains_key("hidden"),
            action: attributes.get("formaction").and_then(|action| page.join(action).ok()),
            method: attributes.get("formmethod").map(|method| method.to_ascii_lowercase()),
        }
    }
}

impl Form {
    pub(super) fn read(attributes: &BTreeMap<String, String>, page: &Url) -> Self {
        let action = attributes.get("action").filter(|action| !action.is_empty());
        let post = attributes.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        Self {
            id: attributes.get("id").cloned(),
            action: action.and_then(|action| page.join(action).ok()).unwrap_or_else(|| page.clone()),
            method: if post { Method::POST } else { Method::GET },
            controls: Vec::new(),
            page: page.clone(),
            referrer_policy: None,
            forged: Vec::new(),
        }
    }

    /// Whether it has a control of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.controls.iter().any(|control| control.name == name)
    }

    /// The value of the first control of this name: of a hidden one, say.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.controls.iter().find(|control| control.name == name).map(|control| &*control.value)
    }

    /// Writes into a field, or chooses of a list.
    ///
    /// # Errors
    /// [`BrowserError::NoControl`] if a person finds no such field to change.
    pub fn fill(mut self, name: &str, value: &str) -> Result<Self, BrowserError> {
        let found = self.controls.iter_mut().find(|control| {
            control.name == name
                && !control.disabled
                && match &control.kind {
                    ControlKind::Text(_) => true,
                    ControlKind::Select(options) => options.iter().any(|option| option == value),
                    _ => false,
                }
        });
        match found {
            Some(control) => value.clone_into(&mut control.value),
            None => return Err(self.no_control(name)),
        }
        Ok(self)
    }

    /// Ticks a box, or chooses one of several.
    ///
    /// # Errors
    /// [`BrowserError::NoControl`] if a person finds no such box to change.
    pub fn tick(mut self, name: &str, value: &str) -> Result<Self, BrowserError> {
        let at = self.box_of(name, value)?;
        if self.controls[at].kind == ControlKind::Radio {
            for control in self.controls.iter_mut().filter(|control| control.name == name) {
                control.checked = false;
            }
        }
        self.controls[at].checked = true;
        Ok(self)
    }

    /// Takes a tick off.
    ///
    /// # Errors
    /// [`BrowserError::NoControl`] if a person finds no such box to change.
    pub fn untick(mut self, name: &str, value: &str) -> Result<Self, BrowserError> {
        let at = self.box_of(name, value)?;
        self.controls[at].checked = false;
        Ok(self)
    }

    /// Sends a pair that the page does not have, as somebody can who edits it. Does not replace one that it has.
    #[must_use]
    pub fn forge(mut self, name: &str, value: &str) -> Self {
        self.forged.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes out every control of this name, as somebody can who edits the page.
    #[must_use]
    pub fn strip(mut self, name: &str) -> Self {
        self.controls.retain(|control| control.name != name);
        self
    }

    /// What is sent when a button is pressed: the one that says or is worth `button`; with `None` the first, as by Enter.
    ///
    /// # Errors
    /// [`BrowserError::NoControl`] if there is no such button, [`BrowserError::NotSent`] if it sends nothing.
    pub fn pairs(&self, button: Option<&str>) -> Result<Vec<(String, String)>, BrowserError> {
        let pressed = self.pressed(button)?;
        let mut pairs = Vec::new();
        for (at, control) in self.controls.iter().enumerate() {
            let sent = match control.kind {
                ControlKind::Checkbox | ControlKind::Radio => control.checked,
                ControlKind::Submit => pressed == Some(at),
                ControlKind::Button => false,
                _ => true,
            };
            if sent && !control.disabled && !control.name.is_empty() {
                pairs.push((control.name.clone(), control.value.clone()));
            }
        }
        pairs.extend(self.forged.iter().cloned());
        Ok(pairs)
    }

    /// Where it goes and how, if that button is pressed.
    pub(super) fn target(&self, button: Option<&str>) -> Result<(Method, Url), BrowserError> {
        let pressed = self.pressed(button)?.map(|at| &self.controls[at]);
        let action =
            pressed.and_then(|control| control.action.clone()).unwrap_or_else(|| self.action.clone());
        let method = match pressed.and_then(|control| control.method.as_deref()) {
            None => self.method.clone(),
            Some("post") => Method::POST,
            Some("dialog") => return Err(BrowserError::NotSent),
            Some(_) => Method::GET,
        };
        Ok((method, action))
    }

    fn pressed(&self, button: Option<&str>) -> Result<Option<usize>, BrowserError> {
        let mut buttons =
            self.controls.iter().enumerate().filter(|(_, control)| control.kind == ControlKind::Submit);
        let Some(wanted) = button else {
            // Enter presses the first, seen or not; a disabled one sends nothing.
            return match buttons.next() {
                Some((_, first)) if first.disabled => Err(BrowserError::NotSent),
                first => Ok(first.map(|(at, _)| at)),
            };
        };
        let seen = |control: &Control| !control.disabled && !control.hidden;
        let found =
            buttons.find(|(_, control)| seen(control) && (control.text == wanted || control.value == wanted));
        found.map(|(at, _)| Some(at)).ok_or_else(|| self.no_control(wanted))
    }

    fn box_of(&self, name: &str, value: &str) -> Result<usize, BrowserError> {
        let is = |control: &Control| {
            matches!(control.kind, ControlKind::Checkbox | ControlKind::Radio)
                && !control.disabled
                && (control.name.as_str(), control.value.as_str()) == (name, value)
        };
        self.controls.iter().position(is).ok_or_else(|| self.no_control(&format!("{name}={value}")))
    }

    fn no_control(&self, wanted: &str) -> BrowserError {
        let shown =
            |control: &Control| format!("{} {}={:?}", control.kind.as_str(), control.name, control.text);
        BrowserError::NoControl {
            wanted: wanted.to_owned(),
            there: self.controls.iter().map(shown).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    fn form(html: &str) -> Form {
        Page::of_html("https://as.example/page?a=1", html).forms.remove(0)
    }

    fn sent(form: &Form, button: Option<&str>) -> String {
        let pairs = form.pairs(button).unwrap();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn what_a_browser_would_not_send_is_not_sent() {
        let form = form(
            "<form><input name=t value=1><input name=d value=2 disabled><input value=3><input type=checkbox name=c>\
             <input type=checkbox name=e checked><input type=radio name=r value=1 checked><input type=radio name=r value=2>\
             <button type=button name=b value=4>No</button><button name=s value=5>Go</button><input type=submit name=u value=6></form>",
        );
        assert_eq!(sent(&form, Some("Go")), "t=1&e=on&r=1&s=5");
        assert_eq!(sent(&form, Some("6")), "t=1&e=on&r=1&u=6");
        assert_eq!(sent(&form, None), "t=1&e=on&r=1&s=5");
        let form = form
            .fill("t", "x")
            .unwrap()
            .tick("r", "2")
            .unwrap()
            .tick("c", "on")
            .unwrap()
            .strip("e")
            .forge("z", "9");
        assert_eq!(sent(&form, Some("Go")), "t=x&c=on&r=2&s=5&z=9");
        for refused in
            [form.clone().fill("d", "x"), form.clone().fill("none", "x"), form.clone().untick("c", "off")]
        {
            assert!(matches!(refused, Err(BrowserError::NoControl { .. })));
        }
        assert!(matches!(form.pairs(Some("No")), Err(BrowserError::NoControl { .. })));
    }

    #[test]
    fn enter_presses_the_first_button() {
        let form = form(
            "<form method=post><button formmethod=dialog hidden></button><button name=decision value=allow>Allow</button></form>",
        );
        assert!(matches!(form.target(None), Err(BrowserError::NotSent)));
        assert_eq!(form.target(Some("Allow")).unwrap().0, Method::POST);
        assert!(matches!(form.pairs(Some("")), Err(BrowserError::NoControl { .. })), "nobody sees it");
    }

    #[test]
    fn a_button_may_lead_elsewhere() {
        let form =
            form("<form action=/a method=post><button formaction=/b formmethod=get>Go</button></form>");
        let (method, url) = form.target(Some("Go")).unwrap();
        assert_eq!((method, url.as_str()), (Method::GET, "https://as.example/b"));
    }
}
