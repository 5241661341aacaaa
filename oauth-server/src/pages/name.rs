//! The name a client gives itself, made fit to stand on a page.

use std::fmt;

/// How many characters of a name are shown.
const LONGEST: usize = 60;

/// A client's own name without what could make it look like something else.
///
/// `client_name` is a stranger's text (RFC 7591 §5): it may turn the reading direction, hide characters, bring
/// its own "✔ verified", or push the host off the page. Whatever does so is taken out here, once; escaping is
/// the template's part. A name proves nothing, so a page shows it together with a host.
///
/// ```
/// use oauth_server::pages::ClientName;
///
/// let name = ClientName::clean("✅ Claude\u{202e}\n Code").expect("letters are left");
/// assert_eq!(name.as_str(), "Claude Code");
/// assert!(ClientName::clean("\u{200b} 🔒").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName(String);

impl ClientName {
    /// Takes out control, direction, invisible and pictorial characters, makes one space of any white space, and
    /// cuts after 60 characters with an ellipsis. `None` if no letter or digit is left.
    pub fn clean(raw: &str) -> Option<Self> {
        let mut name = String::with_capacity(raw.len().min(4 * LONGEST));
        let (mut length, mut marks, mut gap) = (0, 0, false);
        for c in raw.chars() {
            if is_blank(c) {
                gap = true;
                continue;
            }
            if is_hidden(c) || is_picture(c) {
                continue;
            }
            // Stacked accents reach into the lines above and below; no language needs more than two here.
            marks = if is_mark(c) { marks + 1 } else { 0 };
            if marks > 2 || (marks > 0 && (length == 0 || gap)) {
                continue;
            }
            if length >= LONGEST {
                name.truncate(name.trim_end().len());
                name.push('…');
                break;
            }
            if std::mem::take(&mut gap) && length > 0 {
                name.push(' ');
                length += 1;
            }
            name.push(c);
            length += 1;
        }
        name.chars().any(char::is_alphanumeric).then_some(Self(name))
    }

    /// The cleaned name. It is not escaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// White space, and letters that print nothing (Hangul fillers, the empty Braille cell).
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
        )
}

/// Controls, formats (Unicode category Cf: direction, joiners, tags), variation selectors, private use and
/// what is no character at all.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

/// Signs that could pass for a badge: arrows, mathematical and technical signs, boxes, dingbats, emoji, enclosing
/// marks, "™". A name is text; it loses nothing it needs.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{20d0}'..='\u{20ff}' | '\u{2100}'..='\u{214f}' | '\u{2190}'..='\u{27ff}'
        | '\u{2900}'..='\u{2bff}' | '\u{3004}' | '\u{3012}'..='\u{3013}' | '\u{3020}' | '\u{3030}'..='\u{3037}'
        | '\u{303d}'..='\u{303f}' | '\u{3200}'..='\u{33ff}' | '\u{4dc0}'..='\u{4dff}' | '\u{1f000}'..='\u{1fbff}')
}

/// Accents that stand on the character before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-67, A-CONS-6
    #[test]
    fn a_name_keeps_its_letters_and_loses_its_disguise() {
        let long = "x".repeat(10 * 1024);
        let cut = format!("{}…", "x".repeat(60));
        let table: &[(&str, Option<&str>)] = &[
            ("Claude Code", Some("Claude Code")),
            ("Zoë’s Übersetzer 2", Some("Zoë’s Übersetzer 2")),
            ("助手", Some("助手")),
            ("עוזר", Some("עוזר")),
            ("e\u{301}dith", Some("e\u{301}dith")),
            // direction, zero width, controls, tags, soft hyphens
            ("Cla\u{202e}edu\u{202c}e", Some("Claedue")),
            ("\u{2066}Claude\u{2069}\u{200f}", Some("Claude")),
            ("C\u{200b}l\u{200c}a\u{200d}u\u{2060}d\u{feff}e", Some("Claude")),
            ("Cl\u{ad}aude\u{0}\u{7}\u{1b}[31m", Some("Claude[31m")),
            ("Claude\u{e0041}\u{e007f}", Some("Claude")),
            // white space of every kind is one space
            ("  Claude \r\n\t  Code\u{a0}\u{3000}", Some("Claude Code")),
            ("Claude\u{2028}Code\u{85}X", Some("Claude Code X")),
            ("Claude\u{3164}\u{2800}Code", Some("Claude Code")),
            // badges
            ("Claude ✔ ✅ ☑ 🔒 🛡\u{fe0f} ✓ √ ⭐ 🆗", Some("Claude")),
            ("✔ verified", Some("verified")),
            ("Claude™ ®", Some("Claude")),
            ("Claude \u{24cb} \u{20dd}", Some("Claude")),
            // stacks of accents
            ("a\u{300}\u{300}\u{300}\u{300}\u{300}b", Some("a\u{300}\u{300}b")),
            ("\u{300}b", Some("b")),
            // markup stays text: the template escapes it
            ("<b>Claude</b>", Some("<b>Claude</b>")),
            // length
            (&long, Some(&cut)),
            // nothing left
            ("", None),
            (" \u{200b}\u{202e}🔒 ", None),
            ("–––", None),
        ];
        for (raw, clean) in table {
            assert_eq!(ClientName::clean(raw).as_ref().map(ClientName::as_str), *clean, "{raw:?}");
        }
    }

    #[test]
    fn sixty_characters_are_not_cut() {
        let sixty = "ä".repeat(60);
        assert_eq!(ClientName::clean(&sixty).unwrap().as_str(), sixty);
        let words = format!("{} {}", "a".repeat(59), "b".repeat(9));
        assert_eq!(ClientName::clean(&words).unwrap().as_str(), format!("{} b…", "a".repeat(59)));
    }
}
