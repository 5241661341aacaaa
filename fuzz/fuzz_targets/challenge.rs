//! Challenges that were read can be written and read again, and parameters stand once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_testing::Challenge;

fuzz_target!(|text: &str| {
    let Ok(challenges) = Challenge::parse(text) else { return };
    for challenge in &challenges {
        assert!(!challenge.scheme.is_empty() && challenge.is(&challenge.scheme.to_ascii_uppercase()));
        assert!(challenge.token68.is_none() || challenge.params.is_empty());
        for (name, value) in &challenge.params {
            assert_eq!(challenge.param(&name.to_ascii_uppercase()), Some(&**value));
        }
    }
    let written: Vec<String> = challenges.iter().map(write).collect();
    assert_eq!(Challenge::parse(&written.join(", ")).as_ref(), Ok(&challenges), "{written:?}");
});

fn write(challenge: &Challenge) -> String {
    let mut text = challenge.scheme.clone();
    if let Some(token68) = &challenge.token68 {
        text.push(' ');
        text.push_str(token68);
    }
    for (index, (name, value)) in challenge.params.iter().enumerate() {
        let separator = if index == 0 { " " } else { ", " };
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("{separator}{name}=\"{quoted}\""));
    }
    text
}
