//! Reads JSON without the leniencies that let two parsers see two different bodies: a repeated key is an error.
//!
//! serde_json adds the rest: it refuses invalid UTF-8, trailing characters and more than 128 levels.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses one JSON document.
///
/// # Errors
/// The position and kind of the first fault. The text never quotes the body, which may hold a stream key.
pub fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|e| Unreadable {
        line: e.line(),
        column: e.column(),
        eof: e.is_eof(),
    })
}

/// Where a body stopped being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} at line {line}, column {column}", if *eof { "the JSON ends too early" } else { "not valid JSON" })]
pub struct Unreadable {
    line: usize,
    column: usize,
    eof: bool,
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is repeated"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &[u8], expected: Option<Value>) {
        assert_eq!(parse(text).ok(), expected, "{:?}", String::from_utf8_lossy(&text[..text.len().min(60)]));
    }

    #[test]
    fn reads_and_refuses() {
        check(
            br#"{"a":[1,-2,3.5,"x",true,null,{"b":18446744073709551615}]}"#,
            Some(json!({"a":[1,-2,3.5,"x",true,null,{"b":u64::MAX}]})),
        );
        check(b" null ", Some(Value::Null));
        check(b"", None);
        check(b"{", None);
        check(br#"{"a":1}x"#, None);
        check(br#"{"a":1} {"a":1}"#, None);
        check(br#"{"a":1,"a":2}"#, None);
        check(br#"{"s":{"a":1,"\u0061":2}}"#, None);
        check(b"{\"a\":\"\xff\"}", None);
        check(br#"{"a":1e999}"#, None);
        check(br#"{"a":NaN}"#, None);
        check(br#"{a:1}"#, None);
        check("[".repeat(10_000).as_bytes(), None);
        check(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes(), None);
    }

    #[test]
    fn says_where_and_never_what() {
        let error = parse(b"{\n\"stream_key\": \"secret-key").map_err(|e| e.to_string());
        assert_eq!(error, Err("the JSON ends too early at line 2, column 25".to_owned()));
    }
}
