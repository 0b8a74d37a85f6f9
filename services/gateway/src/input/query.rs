//! Reads a query string as strictly as a body: no unknown, repeated or empty parameter.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use crate::{
    codes::{INVALID, UNKNOWN_FIELD},
    error::{ApiError, FieldError},
};

/// The parameters of one request.
#[derive(Debug)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Splits and decodes a query.
    ///
    /// # Errors
    /// 422 with every parameter that is unknown or repeated.
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        const NAME_CHARS: usize = 64;
        let mut values = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let mut fault = |code: &str, message: &str| {
                let field = name.chars().take(NAME_CHARS).collect();
                faults.push(FieldError { field, code: code.to_owned(), message: message.to_owned() });
            };
            if !known.contains(&name.as_ref()) {
                fault(UNKNOWN_FIELD, "is not a parameter of this request");
            } else if values.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                fault(INVALID, "is given twice");
            }
        }
        faults.truncate(10);
        if faults.is_empty() { Ok(Self(values)) } else { Err(ApiError::validation(faults)) }
    }

    /// A parameter's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// 422 with the field.
    pub fn whole(&mut self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse().ok().filter(|n| plain && range.contains(n)) {
            Some(n) => Ok(Some(n)),
            None => {
                let message = format!("must be a whole number from {} to {}", range.start(), range.end());
                Err(ApiError::field(name, INVALID, message))
            }
        }
    }

    /// A parameter that [`FromStr`] reads; its error is the sentence for the person.
    ///
    /// # Errors
    /// 422 with the field.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: std::fmt::Display,
    {
        let read = |text: &str| text.parse().map_err(|e: T::Err| ApiError::field(name, INVALID, e.to_string()));
        self.text(name).map(read).transpose()
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// 422 with the field.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::field(name, INVALID, "must be true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        let known = &["a", "b"];
        let query = Query::read(Some("a=x%20y&b=true"), known).unwrap();
        assert_eq!(query.text("a"), Some("x y"));
        assert_eq!(query.boolean("b").unwrap(), Some(true));
        assert!(Query::read(None, known).unwrap().text("a").is_none());
        for bad in ["c=1", "a=1&a=1", "access_token=x", "=", "A=1"] {
            assert!(Query::read(Some(bad), known).is_err(), "{bad}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("11", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("", None),
            ("x", None),
        ] {
            let mut query = Query::read(Some(&format!("a={}", text.replace('+', "%2B"))), known).unwrap();
            assert_eq!(query.whole("a", 0..=10).ok().flatten(), expected, "{text}");
        }
    }
}
