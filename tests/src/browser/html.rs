//! Reads a page: its title, its text, its links and its forms.
//!
//! By the tokens of the WHATWG standard, without a tree: a form ends with its end tag, and what the parser of a browser would move elsewhere
//! stays where it was written.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use url::Url;

use super::form::{Control, ControlKind, Form};

/// What a page has to see.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) links: Vec<(String, String)>,
    pub(super) forms: Vec<Form>,
}

type Attributes = BTreeMap<String, String>;

/// Reads a page that came from `url`.
pub(super) fn read(html: &str, url: &Url) -> Read {
    let mut emitter = DefaultEmitter::default();
    // As in a browser: `<style>`, `<textarea>` and the like hold no tags.
    emitter.naively_switch_states(true);
    let mut reader = Reader { url, read: Read::default(), state: State::default() };
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => reader.start(&tag),
            Ok(Token::EndTag(tag)) => reader.end(&utf8(&tag.name)),
            Ok(Token::String(text)) => reader.text(&utf8(&text.value)),
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
    reader.finish()
}

struct Reader<'a> {
    url: &'a Url,
    read: Read,
    state: State,
}

#[derive(Default)]
struct State {
    /// The open `<form>`.
    form: Option<usize>,
    /// Controls whose text or value is being collected: a button, a text area.
    open: Option<(Owner, Control)>,
    /// Labels: for which id, their text, and the controls inside.
    labels: Vec<Label>,
    open_label: Option<usize>,
    controls: Vec<(Owner, Control)>,
    select: Option<(Owner, Control)>,
    option: Option<(Option<String>, String, bool)>,
    disabled_fieldsets: Vec<bool>,
    link: Option<(String, String)>,
    skipped: Option<String>,
    in_title: bool,
}

/// Whose a control is: the form around it, or the one that it names.
enum Owner {
    Around(Option<usize>),
    Named(String),
}

#[derive(Default)]
struct Label {
    target: Option<String>,
    inside: Vec<usize>,
    text: String,
}

impl Reader<'_> {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = utf8(&tag.name);
        let attributes: Attributes =
            tag.attributes.iter().map(|(name, value)| (utf8(name), utf8(&value.value))).collect();
        match name.as_str() {
            // A form within a form is ignored.
            "form" if self.state.form.is_none() => {
                self.state.form = Some(self.read.forms.len());
                self.read.forms.push(Form::read(&attributes, self.url));
            }
            "fieldset" => self.state.disabled_fieldsets.push(attributes.contains_key("disabled")),
            "label" => {
                self.state.open_label = Some(self.state.labels.len());
                self.state.labels.push(Label { target: attributes.get("for").cloned(), ..Label::default() });
            }
            "input" => {
                let (owner, mut control) = self.control(&attributes, ControlKind::of_input(&attributes));
                if matches!(control.kind, ControlKind::Submit | ControlKind::Button) {
                    control.text.clone_from(&control.value);
                }
                self.state.controls.push((owner, control));
                self.note_in_label();
            }
            "button" => {
                self.state.open = Some(self.control(&attributes, ControlKind::of_button(&attributes)));
            }
            "textarea" => {
                self.state.open = Some(self.control(&attributes, ControlKind::Text("textarea".to_owned())));
            }
            "select" => self.state.select = Some(self.control(&attributes, ControlKind::Select(Vec::new()))),
            "option" => {
                self.end_option();
                let value = attributes.get("value").cloned();
                self.state.option = Some((value, String::new(), attributes.contains_key("selected")));
            }
            "a" => self.state.link = attributes.get("href").map(|href| (href.clone(), String::new())),
            "title" => self.state.in_title = self.read.title.is_empty(),
            "script" | "style" | "template" if self.state.skipped.is_none() => {
                self.state.skipped = Some(name.clone());
            }
            _ => {}
        }
        if !INLINE.contains(&name.as_str()) {
            self.read.text.push('\n');
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "form" => self.state.form = None,
            "fieldset" => drop(self.state.disabled_fieldsets.pop()),
            "label" => self.state.open_label = None,
            "button" | "textarea" => {
                if let Some((owner, mut control)) = self.state.open.take() {
                    control.text = collapse(&control.text);
                    self.state.controls.push((owner, control));
                    self.note_in_label();
                }
            }
            "option" => self.end_option(),
            "select" => {
                self.end_option();
                self.state.controls.extend(self.state.select.take());
                self.note_in_label();
            }
            "a" => {
                if let Some((href, text)) = self.state.link.take() {
                    self.read.links.push((href, collapse(&text)));
                }
            }
            "title" => self.state.in_title = false,
            _ if self.state.skipped.as_deref() == Some(name) => self.state.skipped = None,
            _ => {}
        }
        if !INLINE.contains(&name) {
            self.read.text.push('\n');
        }
    }

    fn text(&mut self, text: &str) {
        let state = &mut self.state;
        if state.skipped.is_some() {
            return;
        }
        if state.in_title {
            self.read.title.push_str(text);
            return;
        }
        match &mut state.open {
            Some((_, control)) if matches!(control.kind, ControlKind::Text(_)) => {
                // The first line break of a text area is not its value's.
                let first = control.value.is_empty();
                control.value.push_str(if first { text.strip_prefix('\n').unwrap_or(text) } else { text });
            }
            Some((_, control)) => control.text.push_str(text),
            None => {}
        }
        if let Some((_, option, _)) = &mut state.option {
            option.push_str(text);
        }
        if let Some(label) = state.open_label {
            state.labels[label].text.push_str(text);
        }
        if let Some((_, link)) = &mut state.link {
            link.push_str(text);
        }
        self.read.text.push_str(text);
    }

    fn control(&self, attributes: &Attributes, kind: ControlKind) -> (Owner, Control) {
        let owner = match attributes.get("form") {
            Some(id) => Owner::Named(id.clone()),
            None => Owner::Around(self.state.form),
        };
        let disabled = self.state.disabled_fieldsets.contains(&true);
        (owner, Control::read(attributes, kind, disabled, self.url))
    }

    /// The control that was just read stands within an open label.
    fn note_in_label(&mut self) {
        if let Some(label) = self.state.open_label {
            self.state.labels[label].inside.push(self.state.controls.len() - 1);
        }
    }

    fn end_option(&mut self) {
        if let Some((value, text, selected)) = self.state.option.take()
            && let Some((_, select)) = &mut self.state.select
            && let ControlKind::Select(options) = &mut select.kind
        {
            let value = value.unwrap_or_else(|| collapse(&text));
            if selected || options.is_empty() {
                select.value.clone_from(&value);
            }
            options.push(value);
        }
    }

    fn finish(mut self) -> Read {
        let State { labels, mut controls, .. } = self.state;
        for label in labels {
            let labelled = match &label.target {
                Some(id) => controls.iter().position(|(_, control)| control.id.as_deref() == Some(id)),
                None => label.inside.first().copied(),
            };
            if let Some((_, control)) = labelled.and_then(|at| controls.get_mut(at))
                && control.text.is_empty()
            {
                control.text = collapse(&label.text);
            }
        }
        for (owner, control) in controls {
            let form = match owner {
                Owner::Around(form) => form,
                Owner::Named(id) => self.read.forms.iter().position(|form| form.id.as_deref() == Some(&id)),
            };
            if let Some(form) = form.and_then(|at| self.read.forms.get_mut(at)) {
                form.controls.push(control);
            }
        }
        self.read.title = collapse(&self.read.title);
        let lines = self.read.text.lines().map(collapse).filter(|line| !line.is_empty());
        self.read.text = lines.collect::<Vec<_>>().join("\n");
        self.read
    }
}

/// Elements that do not break a line.
const INLINE: &[&str] =
    &["a", "abbr", "b", "bdi", "code", "em", "i", "kbd", "label", "small", "span", "strong", "time", "wbr"];

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Read {
        read(html, &"https://as.example/authorize?x=1".parse().unwrap())
    }

    #[test]
    fn forms_are_read_with_their_controls_and_labels() {
        let read = page(
            "<!doctype html><title>Sign &amp; go</title><style>form { }</style><h1>Hello <b>you</b></h1>\
             <form method=POST action='/login'><input type=hidden name=ticket value='a&quot;b'>\
             <label for=p>Pass<i>phrase</i></label><input id=p name=passphrase type=password>\
             <label><input type=checkbox name=scope value=read checked disabled> Read</label>\
             <textarea name=note>\na < b</textarea><select name=s><option>one<option value=2 selected>two</select>\
             <button name=decision value=deny>Deny</button><button name=decision value=allow>Al<b>low</b></button></form>\
             <form><input name=q></form><a href=/out>Sign out</a>",
        );
        assert_eq!((read.title.as_str(), read.forms.len()), ("Sign & go", 2));
        assert!(read.text.starts_with("Hello you\n"), "{}", read.text);
        assert_eq!(read.links, [("/out".to_owned(), "Sign out".to_owned())]);
        let form = &read.forms[0];
        assert_eq!((form.method.as_str(), form.action.as_str()), ("POST", "https://as.example/login"));
        let shown: Vec<_> = form
            .controls
            .iter()
            .map(|control| {
                format!("{} {}={} {}", control.kind.as_str(), control.name, control.value, control.text)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "hidden ticket=a\"b ",
                "password passphrase= Passphrase",
                "checkbox scope=read Read",
                "textarea note=a < b ",
                "select s=2 ",
                "submit decision=deny Deny",
                "submit decision=allow Allow",
            ]
        );
        assert!(form.controls[2].disabled && form.controls[2].checked);
        assert_eq!(read.forms[1].action.as_str(), "https://as.example/authorize?x=1");
    }

    #[test]
    fn what_a_page_quotes_is_no_form() {
        let read = page(
            "<!-- <form> --><textarea><form></textarea><script>'<form>'</script><p title='<form>'>&lt;form&gt;</p>",
        );
        assert!(read.forms.is_empty());
        assert_eq!(read.text, "<form>\n<form>");
    }

    #[test]
    fn a_control_belongs_to_the_form_that_it_names() {
        let read = page(
            "<form id=a></form><form id=b><input name=x form=a></form><input name=y form=b><input name=z>",
        );
        let names = |at: usize| {
            read.forms[at].controls.iter().map(|control| control.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((names(0), names(1)), (vec!["x"], vec!["y"]));
    }

    #[test]
    fn a_disabled_fieldset_disables_what_is_in_it() {
        let read = page("<form><fieldset disabled><input name=x></fieldset><input name=y></form>");
        assert_eq!(
            read.forms[0].controls.iter().map(|control| control.disabled).collect::<Vec<_>>(),
            [true, false]
        );
    }
}
