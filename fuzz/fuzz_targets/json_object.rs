//! A JSON object that we read is what every other reader reads: no member stands twice, and it survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::json_object;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = json_object(bytes) else { return };
    let object = Value::Object(object);
    assert!(depth(&object) <= 16);
    assert_eq!(serde_json::from_slice::<Value>(bytes).ok().as_ref(), Some(&object));
    // The last digit of a fraction may get lost on the way.
    if !has_fraction(&object) {
        let written = object.to_string();
        assert_eq!(json_object(written.as_bytes()).map(Value::Object).as_ref(), Ok(&object));
    }
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}
