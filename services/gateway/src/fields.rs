//! Reads the fields of a JSON object and collects everything that is wrong with them, instead of stopping at the first.
//!
//! A field nobody read is refused: a misspelt optional field must not be ignored in silence.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::{
    codes::{INVALID, READ_ONLY, REQUIRED, UNKNOWN_FIELD},
    error::{ApiError, FieldError},
};

/// A reader over one object. Call its methods once per field, then [`Fields::finish`].
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: &'a str,
    known: BTreeSet<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// A reader over a whole body.
    ///
    /// # Errors
    /// 422 when the body is no object.
    pub fn of(body: &'a Value) -> Result<Self, ApiError> {
        let object = body.as_object().ok_or_else(|| ApiError::field("", INVALID, "the body must be a JSON object"))?;
        Ok(Self { object, prefix: "", known: BTreeSet::new(), errors: Vec::new() })
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Text of 1 to `max_chars` characters, none of them a control character, not only blanks.
    pub fn text(&mut self, name: &'static str, max_chars: usize) -> Option<&'a str> {
        let text = self.string(name)?;
        if is_text(text, max_chars) {
            return Some(text);
        }
        self.refuse(name, INVALID, format!("must be 1 to {max_chars} characters without control characters"));
        None
    }

    /// Text of at most `max_chars` characters in which lines may be broken.
    pub fn lines(&mut self, name: &'static str, max_chars: usize) -> Option<&'a str> {
        let text = self.string(name)?;
        let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if text.chars().count() <= max_chars && text.chars().all(plain) {
            return Some(text);
        }
        self.refuse(
            name,
            INVALID,
            format!("must be at most {max_chars} characters; of control characters only line breaks and tabs"),
        );
        None
    }

    /// A list of at most `most` texts, each as in [`Fields::text`].
    pub fn texts(&mut self, name: &'static str, most: usize, max_chars: usize) -> Option<Vec<String>> {
        let sentence = format!("must be a list of at most {most} strings of 1 to {max_chars} characters");
        self.typed(name, &sentence, |value| {
            let items = value.as_array().filter(|items| items.len() <= most)?;
            items.iter().map(|item| item.as_str().filter(|text| is_text(text, max_chars)).map(str::to_owned)).collect()
        })
    }

    /// Takes a field, whatever it is.
    pub fn anything(&mut self, name: &'static str) {
        self.known.insert(name);
    }

    /// Any string.
    pub fn string(&mut self, name: &'static str) -> Option<&'a str> {
        self.typed(name, "must be a string", Value::as_str)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "must be true or false", Value::as_bool)
    }

    /// A whole number in a range. `sentence` is what the person reads otherwise.
    pub fn whole(&mut self, name: &'static str, range: RangeInclusive<u32>, sentence: &str) -> Option<u32> {
        self.typed(name, sentence, |value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n))
        })
    }

    /// A string that `read` understands; its error is the sentence the person reads.
    pub fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(self.string(name)?) {
            Ok(value) => Some(value),
            Err(e) => {
                self.refuse(name, INVALID, e.to_string());
                None
            }
        }
    }

    /// An object of its own. Its errors carry the path `name.field`.
    pub fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let object = self.typed(name, "must be an object", Value::as_object)?;
        let mut inner = Fields { object, prefix: name, known: BTreeSet::new(), errors: Vec::new() };
        let value = read(&mut inner);
        inner.refuse_unknown();
        self.errors.append(&mut inner.errors);
        Some(value)
    }

    /// Reports the field as missing unless it is there (with whatever value; that was judged before).
    pub fn require(&mut self, name: &'static str) {
        if !self.has(name) {
            self.refuse(name, REQUIRED, "is required");
        }
    }

    /// Refuses fields that only the server sets, with a sentence that says so.
    pub fn server_owned(&mut self, names: &[&'static str]) {
        for name in names {
            self.known.insert(name);
            if self.has(name) {
                self.refuse(name, READ_ONLY, "is set by the server");
            }
        }
    }

    /// Adds a fault.
    pub fn refuse(&mut self, name: &str, code: &str, message: impl Into<String>) {
        let field = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        self.errors.push(FieldError { field, code: code.to_owned(), message: message.into() });
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 with every fault found, unknown fields included.
    pub fn finish(mut self) -> Result<(), ApiError> {
        self.refuse_unknown();
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::validation(self.errors)) }
    }

    fn typed<T>(&mut self, name: &'static str, sentence: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        self.known.insert(name);
        let value = self.object.get(name)?;
        let read = read(value);
        if read.is_none() {
            self.refuse(name, INVALID, sentence);
        }
        read
    }

    /// Field names are the client's text: long ones are cut, and only the first few are repeated.
    fn refuse_unknown(&mut self) {
        const SHOWN: usize = 10;
        const NAME_CHARS: usize = 64;
        let unknown: Vec<String> = self
            .object
            .keys()
            .filter(|key| !self.known.contains(key.as_str()))
            .take(SHOWN)
            .map(|key| key.chars().take(NAME_CHARS).collect())
            .collect();
        for name in unknown {
            self.refuse(&name, UNKNOWN_FIELD, "is not a field of this request");
        }
    }
}

fn is_text(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<(Option<&str>, Option<u32>), Vec<String>> {
        let lines = |e: ApiError| {
            e.body("r").error.fields.iter().map(|f| format!("{}: {}", f.field, f.message)).collect::<Vec<_>>()
        };
        let mut fields = Fields::of(body).map_err(lines)?;
        let name = fields.text("name", 5);
        let rate = fields.object("settings", |s| s.whole("rate", 1..=9, "must be 1 to 9")).flatten();
        fields.require("name");
        fields.server_owned(&["status"]);
        fields.finish().map_err(lines)?;
        Ok((name, rate))
    }

    #[test]
    fn collects_every_fault() {
        assert_eq!(read(&json!({"name": "ok", "settings": {"rate": 9}})), Ok((Some("ok"), Some(9))));
        assert_eq!(read(&json!([])), Err(vec![": the body must be a JSON object".into()]));
        let faulty = json!({"settings": {"rate": "9", "x": 1}, "status": "live", "y": null});
        let faults = read(&faulty);
        assert_eq!(
            faults,
            Err(vec![
                "settings.rate: must be 1 to 9".into(),
                "settings.x: is not a field of this request".into(),
                "name: is required".into(),
                "status: is set by the server".into(),
                "y: is not a field of this request".into(),
            ])
        );
        for bad in [json!(""), json!("  "), json!("sixsix"), json!("a\n"), json!(7), json!(null)] {
            assert!(read(&json!({"name": bad})).is_err(), "{bad}");
        }
        for bad in [json!(0), json!(10), json!(1.0), json!(-1), json!(9_223_372_036_854_775_808_u64), json!(null)] {
            assert!(read(&json!({"name": "ok", "settings": {"rate": bad}})).is_err(), "{bad}");
        }
    }
}
