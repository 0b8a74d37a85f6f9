//! AMF0, as far as RTMP commands and FLV metadata use it.
//!
//! Our own and not a crate's, because the input is hostile: `scuffle-amf0` 0.2 recurses without a limit and reserves
//! memory for whatever array length a peer claims, and it trusts the count of an ECMA array, which many encoders leave
//! at zero. Format: Adobe's "AMF0 Specification" (2007); marker numbers in section 2.1.

use bytes::{BufMut, BytesMut};

/// Nesting deeper than this is refused: real commands use 3.
const MAX_DEPTH: usize = 16;
/// More values than this in one message are refused: real metadata has about 30.
const MAX_VALUES: usize = 4096;

/// One AMF0 value. Objects keep the order of their properties.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A string, short or long.
    String(String),
    /// An object, plain or typed (the type's name is dropped).
    Object(Vec<(String, Value)>),
    /// Null.
    Null,
    /// Undefined (also: unsupported, and references, which nobody sends).
    Undefined,
    /// An associative array: `onMetaData` is one.
    EcmaArray(Vec<(String, Value)>),
    /// A list.
    StrictArray(Vec<Value>),
    /// Milliseconds since the epoch; the time zone is dropped.
    Date(f64),
}

/// Why bytes are no AMF0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Ends inside a value.
    #[error("AMF0 ends inside a value")]
    Short,
    /// A marker that is not in use.
    #[error("AMF0 marker {0}")]
    Marker(u8),
    /// A string that is no UTF-8.
    #[error("AMF0 string is not UTF-8")]
    Text,
    /// Nested too deep.
    #[error("AMF0 nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Too many values.
    #[error("AMF0 message with more than {MAX_VALUES} values")]
    Count,
    /// A command message without a name.
    #[error("command without a name")]
    NotACommand,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl Value {
    /// An object from its properties.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::Object(properties.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// The property `key` of an object or ECMA array.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) => {
                properties.iter().find(|(k, _)| k == key).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads values until the input ends.
///
/// # Errors
/// [`DecodeError`] at the first value that cannot be read.
pub fn decode_all(input: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let mut reader = Reader { input, values: 0 };
    let mut values = Vec::new();
    while !reader.input.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

/// Appends one value.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(0);
            out.put_f64(*number);
        }
        Value::Boolean(yes) => {
            out.put_u8(1);
            out.put_u8((*yes).into());
        }
        Value::String(text) => encode_string(text, out),
        Value::Object(properties) => {
            out.put_u8(3);
            encode_properties(properties, out);
        }
        Value::Null => out.put_u8(5),
        Value::Undefined => out.put_u8(6),
        Value::EcmaArray(properties) => {
            out.put_u8(8);
            out.put_u32(properties.len() as u32);
            encode_properties(properties, out);
        }
        Value::StrictArray(values) => {
            out.put_u8(10);
            out.put_u32(values.len() as u32);
            values.iter().for_each(|v| encode(v, out));
        }
        Value::Date(ms) => {
            out.put_u8(11);
            out.put_f64(*ms);
            out.put_i16(0);
        }
    }
}

fn encode_string(text: &str, out: &mut BytesMut) {
    if let Ok(length) = u16::try_from(text.len()) {
        out.put_u8(2);
        out.put_u16(length);
    } else {
        out.put_u8(12);
        out.put_u32(text.len() as u32);
    }
    out.put_slice(text.as_bytes());
}

fn encode_properties(properties: &[(String, Value)], out: &mut BytesMut) {
    for (key, value) in properties.iter().filter(|(k, _)| !k.is_empty() && k.len() <= usize::from(u16::MAX)) {
        out.put_u16(key.len() as u16);
        out.put_slice(key.as_bytes());
        encode(value, out);
    }
    out.put_slice(&[0, 0, 9]);
}

struct Reader<'a> {
    input: &'a [u8],
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.input.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.input = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }

    fn text(&mut self, length: usize) -> Result<String, DecodeError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Text)
    }

    fn short_text(&mut self) -> Result<String, DecodeError> {
        let length = u16::from_be_bytes(self.array()?);
        self.text(length.into())
    }

    fn long_text(&mut self) -> Result<String, DecodeError> {
        let length = u32::from_be_bytes(self.array()?);
        self.text(length as usize)
    }

    fn number(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(DecodeError::Count);
        }
        if depth > MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        let [marker] = self.array()?;
        Ok(match marker {
            0 => Value::Number(self.number()?),
            1 => Value::Boolean(self.array::<1>()? != [0]),
            2 => Value::String(self.short_text()?),
            3 => Value::Object(self.properties(depth)?),
            5 => Value::Null,
            6 | 13 => Value::Undefined,
            7 => {
                self.take(2)?;
                Value::Undefined
            }
            8 => {
                self.take(4)?; // the count is only a hint: the end marker decides
                Value::EcmaArray(self.properties(depth)?)
            }
            10 => Value::StrictArray(self.list(depth)?),
            11 => {
                let ms = self.number()?;
                self.take(2)?;
                Value::Date(ms)
            }
            12 | 15 => Value::String(self.long_text()?),
            16 => {
                self.short_text()?;
                Value::Object(self.properties(depth)?)
            }
            other => return Err(DecodeError::Marker(other)),
        })
    }

    /// Properties up to the end marker; the end of the input is taken for one, as some encoders forget it.
    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, DecodeError> {
        let mut properties = Vec::new();
        while !self.input.is_empty() {
            if let [0, 0, 9, rest @ ..] = self.input {
                self.input = rest;
                break;
            }
            let key = self.short_text()?;
            properties.push((key, self.value(depth + 1)?));
        }
        Ok(properties)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let count = u32::from_be_bytes(self.array()?);
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(values: &[Value]) -> BytesMut {
        let mut out = BytesMut::new();
        values.iter().for_each(|v| encode(v, &mut out));
        out
    }

    #[test]
    fn an_ecma_array_is_read_whatever_count_it_claims() {
        for count in [0u8, 1, 200] {
            let mut input = vec![8, 0, 0, 0, count];
            input.extend(b"\x00\x01a\x01\x01\x00\x01b\x05\x00\x00\x09\x05");
            let want = Value::EcmaArray(vec![("a".into(), Value::Boolean(true)), ("b".into(), Value::Null)]);
            assert_eq!(decode_all(&input).unwrap(), [want, Value::Null]);
        }
    }

    #[test]
    fn hostile_input_is_refused_without_memory_or_stack() {
        assert_eq!(decode_all(&[10, 255, 255, 255, 255]), Err(DecodeError::Short));
        assert_eq!(decode_all(&[12, 255, 255, 255, 255]), Err(DecodeError::Short));
        assert_eq!(decode_all(&[10, 0, 0, 0, 1].repeat(100_000)), Err(DecodeError::Depth));
        assert_eq!(decode_all(&[5].repeat(100_000)), Err(DecodeError::Count));
        assert_eq!(decode_all(&[4]), Err(DecodeError::Marker(4)));
        assert_eq!(decode_all(b"\x02\x00\x01\xff"), Err(DecodeError::Text));
    }

    #[test]
    fn a_long_string_takes_the_long_form() {
        let value = Value::String("x".repeat(70_000));
        let encoded = bytes(std::slice::from_ref(&value));
        assert_eq!(encoded[0], 12);
        assert_eq!(decode_all(&encoded).unwrap(), [value]);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,20}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let properties = prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..6);
            prop_oneof![
                properties.clone().prop_map(Value::Object),
                properties.prop_map(Value::EcmaArray),
                prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec(any_value(), 0..5)) {
            prop_assert_eq!(decode_all(&bytes(&values)).unwrap(), values);
        }

        #[test]
        fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode_all(&input);
        }
    }
}
