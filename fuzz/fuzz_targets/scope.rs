//! Sets of scopes: what is written is read again, and they behave as sets.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use oauth_core::{ScopeHierarchy, ScopeSet};

// Two lines: two sets.
fuzz_target!(|text: &str| {
    let pair = text.split_once('\n').unwrap_or((text, text));
    let (Ok(a), Ok(b)) = (pair.0.parse::<ScopeSet>(), pair.1.parse::<ScopeSet>()) else { return };
    let (set_a, set_b) = (model(pair.0), model(pair.1));
    for (set, model) in [(&a, &set_a), (&b, &set_b)] {
        assert_eq!(set.as_str().parse::<ScopeSet>().as_ref(), Ok(set));
        assert_eq!(&set.iter().collect::<BTreeSet<_>>(), model);
        assert_eq!(set.iter().count(), model.len());
        assert_eq!(set.is_empty(), model.is_empty());
        assert!(
            set.as_str()
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        );
    }
    let is = |set: &ScopeSet, model: BTreeSet<&str>| assert_eq!(set.iter().collect::<BTreeSet<_>>(), model);
    is(&a.union(&b), &set_a | &set_b);
    is(&a.intersection(&b), &set_a & &set_b);
    is(&a.difference(&b), &set_a - &set_b);
    assert_eq!(a.is_subset(&b), set_a.is_subset(&set_b));
    assert_eq!(a == b, set_a == set_b);
    is(&ScopeHierarchy::new().missing(&a, &b), &set_b - &set_a);
});

fn model(text: &str) -> BTreeSet<&str> {
    text.split(' ').filter(|scope| !scope.is_empty()).collect()
}
