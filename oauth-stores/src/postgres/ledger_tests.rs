//! Every statement of one grant names its partition key: an engine that spreads rows by it asks one node.

use super::*;
use crate::postgres::purge_by_grant::{CHOOSE, OF_ONE};

/// What stands in the file is a piece of a statement, or a statement of its own.
const PIECES: [&str; 4] = ["GRANT", "COLUMNS", "ISSUE", "ANSWER"];
const WHOLE: [(&str, &str); 3] = [("FIND", FIND), ("JUDGE", JUDGE), ("REVOKE", REVOKE)];
const BEGUN: [&str; 2] = ["OPEN", "EXCHANGE"];

/// The words of a statement, with brackets and commas as words of their own.
fn words(sql: &str) -> Vec<String> {
    let apart = |sign: char| matches!(sign, '(' | ')' | ',');
    let mut text = String::new();
    for sign in sql.chars() {
        if apart(sign) {
            text.extend([' ', sign, ' ']);
        } else {
            text.push(sign);
        }
    }
    text.split_whitespace().map(str::to_owned).collect()
}

/// The words around one, as far as the brackets that it stands in. What stands in brackets beside it is of another query.
fn query_around(words: &[String], at: usize) -> Vec<&str> {
    let step = |depth: i32, word: &str, opening: &str, closing: &str| match word {
        word if word == opening => depth + 1,
        word if word == closing => depth - 1,
        _ => depth,
    };
    let mut before = Vec::new();
    let mut depth = 0;
    for word in words[..at].iter().rev() {
        depth = step(depth, word, ")", "(");
        match depth {
            ..0 => break,
            0 => before.push(word.as_str()),
            _ => {}
        }
    }
    before.reverse();
    depth = 0;
    for word in &words[at..] {
        depth = step(depth, word, "(", ")");
        match depth {
            ..0 => break,
            0 => before.push(word.as_str()),
            _ => {}
        }
    }
    before
}

/// The tables of a statement that are read or written in more than the grant `$1`.
fn unscoped(sql: &str) -> Vec<String> {
    let words = words(sql);
    let follows = |at: usize, wanted: &[&str]| {
        words[at..].iter().zip(wanted).filter(|(word, wanted)| word == wanted).count() == wanted.len()
    };
    let mut missing = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(table) = word.strip_prefix("oauth.") else { continue };
        let key = if table == "grants" { "id" } else { "grant_id" };
        let is_scoped = if words[at - 1] == "INTO" {
            // What is written there is the first value.
            let closed = at + words[at..].iter().position(|word| word == ")").unwrap_or_default();
            follows(at + 1, &["(", key])
                && (follows(closed + 1, &["SELECT", "$1"]) || follows(closed + 1, &["VALUES", "(", "$1"]))
        } else {
            let column = match words.get(at + 1).map(String::as_str) {
                None | Some("WHERE" | "SET" | "JOIN" | "LEFT" | "ON" | ")" | ",") => key.to_owned(),
                Some(alias) => format!("{alias}.{key}"),
            };
            is_the_grants(&column, &query_around(&words, at))
        };
        if !is_scoped {
            missing.push(table.to_owned());
        }
    }
    missing
}

/// Whether a query asks for rows alone in which this column is `$1`, or what is `$1` by another condition.
fn is_the_grants(column: &str, query: &[&str]) -> bool {
    let mut ours = vec!["$1"];
    let query = [query, &[";"]].concat();
    let mut before = 0;
    while ours.len() > before {
        before = ours.len();
        for condition in query.windows(5) {
            let [joint, one, "=", other, end] = condition else { continue };
            // A condition beside an `OR` decides nothing.
            if !matches!(*joint, "WHERE" | "AND" | "ON") || *end == "OR" {
                continue;
            }
            for (known, new) in [(one, other), (other, one)] {
                if ours.contains(known) && !ours.contains(new) {
                    ours.push(new);
                }
            }
        }
    }
    ours.contains(&column)
}

#[test]
fn every_statement_of_a_grant_touches_one_partition_key() {
    let statements = WHOLE.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()));
    let opens = (0..KEPT + 2).map(|count| (format!("OPEN of {count}"), open_sql(count).to_string()));
    let exchanges =
        (0..KEPT + 2).map(|count| (format!("EXCHANGE of {count}"), exchange_sql(count).to_string()));
    for (name, sql) in statements.chain(opens).chain(exchanges) {
        // Else there was nothing to look at.
        assert!(sql.contains("oauth."), "{name}");
        let whole = format!("{sql} ;");
        assert_eq!(unscoped(&whole), Vec::<String>::new(), "{name}: {sql}");
    }
}

#[test]
fn a_purge_by_grant_locks_and_changes_one_grant_at_a_time() {
    for (name, sql) in OF_ONE {
        assert_eq!(unscoped(&format!("{sql} ;")), Vec::<String>::new(), "{name}: {sql}");
    }
    // What is not about one grant chooses, and no more.
    for (name, sql) in CHOOSE {
        assert!(sql.trim_start_matches('(').starts_with("SELECT"), "{name}: {sql}");
        assert!(!sql.contains("UPDATE") && !sql.contains("DELETE"), "{name}: {sql}");
    }
    for line in include_str!("purge_by_grant.rs").lines() {
        let Some((name, _)) = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": &str"))
        else {
            continue;
        };
        assert!(
            OF_ONE.iter().chain(&CHOOSE).any(|(known, _)| *known == name),
            "{name} is looked at by no test"
        );
    }
}

#[test]
fn no_statement_of_the_ledger_is_left_out() {
    for line in include_str!("ledger.rs").lines() {
        let Some((name, _)) = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": &str"))
        else {
            continue;
        };
        let known = PIECES.contains(&name) || BEGUN.contains(&name);
        assert!(known || WHOLE.iter().any(|(whole, _)| *whole == name), "{name} is looked at by no test");
    }
}

#[test]
fn a_statement_that_finds_a_credential_by_its_hash_alone_is_noticed() {
    for (sql, table) in [
        ("SELECT 1 FROM oauth.credentials WHERE hash = $2 ;", "credentials"),
        (
            "SELECT 1 FROM oauth.grants g JOIN oauth.credentials c ON c.hash = $2 WHERE g.id = $1 ;",
            "credentials",
        ),
        (
            "SELECT 1 FROM oauth.credentials c JOIN oauth.grants g ON g.id = c.grant_id WHERE c.grant_id = $2 ;",
            "credentials",
        ),
        ("SELECT 1 FROM oauth.grants g WHERE g.id = $1 OR g.subject = $2 ;", "grants"),
        (
            "SELECT 1 FROM oauth.grants g WHERE g.id = $1 AND EXISTS ( SELECT 1 FROM oauth.spent WHERE hash = $2 ) ;",
            "spent",
        ),
        ("UPDATE oauth.grants SET revoked_at = $2 WHERE subject = $1 ;", "grants"),
        ("INSERT INTO oauth.spent (hash, grant_id) SELECT $1, $2 ;", "spent"),
        ("INSERT INTO oauth.spent (grant_id, hash) SELECT c.grant_id, $1 FROM state c ;", "spent"),
        // What would find it from the statements as they are.
        (&FIND.replace("g.id = $1 AND c.grant_id = $1 AND ", ""), "grants"),
        (&JUDGE.replace("grant_id = $1 AND hash = s.successor", "hash = s.successor"), "credentials"),
        (
            &EXCHANGE.replace(
                "g.id = $1 AND g.revoked_at IS NULL AND c.grant_id = $1 AND",
                "g.revoked_at IS NULL AND",
            ),
            "grants",
        ),
    ] {
        assert!(unscoped(&format!("{sql} ;")).contains(&table.to_owned()), "{sql}");
    }
}
