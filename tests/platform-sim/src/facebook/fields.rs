//! `fields=id,ingest_streams{stream_health{video_bitrate}}`: what of an object is answered.

use serde_json::{Map, Value};

/// One asked field, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub inner: Vec<Field>,
}

/// Reads a field list. Modifiers (`.limit(5)`) are dropped.
pub(super) fn parse(text: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                fields.extend(field(text[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields
}

fn field(text: &str) -> Option<Field> {
    let (head, inner) = match text.split_once('{') {
        Some((head, rest)) => (head, parse(rest.strip_suffix('}').unwrap_or(rest))),
        None => (text, Vec::new()),
    };
    let name = head.split(['.', '(']).next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| Field { name: name.to_owned(), inner })
}

/// The asked fields of an object, `id` always. `Err` names a field that the object's type has not.
pub(super) fn project(object: &Value, asked: &[Field], known: &[&str]) -> Result<Value, String> {
    if let Some(field) = asked.iter().find(|field| field.name != "id" && !known.contains(&field.name.as_str())) {
        return Err(field.name.clone());
    }
    Ok(pick(object, asked))
}

fn pick(value: &Value, asked: &[Field]) -> Value {
    if asked.is_empty() {
        return value.clone();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| pick(item, asked)).collect(),
        Value::Object(members) if members.contains_key("data") => {
            let with_data = members
                .iter()
                .map(|(key, value)| (key.clone(), if key == "data" { pick(value, asked) } else { value.clone() }));
            Value::Object(with_data.collect())
        }
        Value::Object(members) => {
            let mut picked = Map::new();
            for field in asked {
                if let Some(value) = members.get(&field.name) {
                    picked.insert(field.name.clone(), pick(value, &field.inner));
                }
            }
            if let Some(id) = members.get("id") {
                picked.insert("id".to_owned(), id.clone());
            }
            Value::Object(picked)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_fields() {
        let object = json!({"id": "1", "status": "LIVE", "title": "t",
            "ingest_streams": [{"stream_id": "0", "stream_health": {"video_bitrate": 1, "video_height": 2}}]});
        let known = ["status", "title", "ingest_streams"];
        let asked = parse("status, ingest_streams.limit(2){stream_health{video_bitrate}}");
        assert_eq!(
            project(&object, &asked, &known),
            Ok(json!({"id": "1", "status": "LIVE", "ingest_streams": [{"stream_health": {"video_bitrate": 1}}]}))
        );
        assert_eq!(project(&object, &parse("statuss"), &known), Err("statuss".to_owned()));
    }
}
