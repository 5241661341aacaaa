//! Findings, a line each.

#[derive(Default)]
pub(crate) struct Report {
    wrong: usize,
    lines: Vec<String>,
}

impl Report {
    pub(crate) fn good(&mut self, text: &str) {
        self.say("ok     ", text);
    }

    pub(crate) fn wrong(&mut self, text: &str) {
        self.wrong += 1;
        self.say("WRONG  ", text);
    }

    /// Worth knowing, and no reason to refuse.
    pub(crate) fn note(&mut self, text: &str) {
        self.say("note   ", text);
    }

    fn say(&mut self, mark: &str, text: &str) {
        // What others wrote does not steer the terminal.
        // Letters that turn the line around, or that nobody sees, are no better.
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if c == ' ' || c.is_ascii_graphic() { shown.push(c) } else { shown.extend(c.escape_debug()) }
        }
        println!("{mark}{shown}");
        self.lines.push(format!("{mark}{shown}"));
    }

    /// The summary; whether nothing was wrong.
    pub(crate) fn close(self) -> bool {
        match self.wrong {
            0 => println!("\nNothing is wrong."),
            1 => println!("\nOne thing is wrong."),
            many => println!("\n{many} things are wrong."),
        }
        self.wrong == 0
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}
