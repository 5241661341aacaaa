//! What was measured, what is asked for, and whether it is enough: a table that is Markdown as well.

use std::fmt;

/// A line.
#[derive(Debug)]
pub struct Row {
    what: String,
    measured: String,
    target: String,
    holds: bool,
}

impl Row {
    /// At most so much.
    #[must_use]
    pub fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &str, detail: &str) -> Self {
        let target = format!("≤ {limit} {unit}");
        Self { what: what.into(), measured: shown(measured, unit, detail), target, holds: measured <= limit }
    }

    /// At least so many percent.
    #[must_use]
    pub fn at_least(what: impl Into<String>, percent: f64, limit: f64, detail: &str) -> Self {
        let target = format!("≥ {limit} %");
        Self { what: what.into(), measured: shown(percent, "%", detail), target, holds: percent >= limit }
    }

    /// Told for comparison.
    #[must_use]
    pub fn told(what: impl Into<String>, measured: f64, unit: &str, detail: &str) -> Self {
        Self {
            what: what.into(),
            measured: shown(measured, unit, detail),
            target: "–".to_owned(),
            holds: true,
        }
    }
}

fn shown(value: f64, unit: &str, detail: &str) -> String {
    let digits = match value.abs() {
        whole if whole >= 20.0 || whole.fract() == 0.0 => 0,
        small if small < 2.0 => 2,
        _ => 1,
    };
    let more = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("{value:.digits$} {unit}{more}")
}

/// The table's head.
#[must_use]
pub fn head() -> String {
    format!(
        "| {:<56} | {:<44} | {:<12} | {:<4} |\n|{:-<58}|{:-<46}|{:-<14}|{:-<6}|",
        "what", "measured", "target", "", "", "", "", ""
    )
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.holds, self.target.as_str()) {
            (_, "–") => "",
            (true, _) => "pass",
            (false, _) => "MISS",
        };
        write!(f, "| {:<56} | {:<44} | {:<12} | {verdict:<4} |", self.what, self.measured, self.target)
    }
}
