//! OpenAPI 3.0 schemas as JSON Schema, and the members that a schema does not know.

use anyhow::Context;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// Turns a schema in place: `nullable` becomes a type, what JSON Schema does not allow goes.
pub(super) fn convert(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if members.get("required").is_some_and(|required| !required.is_array()) {
        members.remove("required");
    }
    if members.remove("nullable") == Some(Value::Bool(true)) {
        allow_null(members);
    }
    for name in ["properties"] {
        if let Some(Value::Object(inner)) = members.get_mut(name) {
            inner.values_mut().for_each(convert);
        }
    }
    for name in ["items", "additionalProperties", "not"] {
        if let Some(inner) = members.get_mut(name) {
            convert(inner);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(inner)) = members.get_mut(name) {
            inner.iter_mut().for_each(convert);
        }
    }
}

fn allow_null(members: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = members.get("type").cloned() {
        members.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(values)) = members.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    for name in ["anyOf", "oneOf"] {
        if let Some(Value::Array(variants)) = members.get_mut(name) {
            variants.push(json!({"type": "null"}));
        }
    }
}

/// A validator of `schema`, whose references point into `components`.
pub(super) fn validator(schema: &Value, components: &Value) -> anyhow::Result<Validator> {
    let mut root = json!({"allOf": [schema]});
    root["components"] = components.clone();
    let built = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).build(&root);
    built.map_err(|error| anyhow::anyhow!("{error}")).context("not a usable schema")
}

/// Paths of members of `value` that `schema` does not name. A schema without properties takes any.
pub(super) fn strangers(schema: &Value, components: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let mut known = Vec::new();
            properties(schema, components, &mut known);
            if known.is_empty() {
                return;
            }
            for (name, value) in members {
                let at = format!("{at}/{name}");
                let fitting: Vec<&Value> = known.iter().filter(|(k, _)| k == name).map(|(_, schema)| *schema).collect();
                match fitting.first() {
                    Some(schema) => strangers(schema, components, value, &at, found),
                    None => found.push(at),
                }
            }
        }
        Value::Array(items) => {
            let schema = resolve(schema, components);
            let Some(inner) = schema.get("items") else { return };
            for (n, item) in items.iter().enumerate() {
                strangers(inner, components, item, &format!("{at}/{n}"), found);
            }
        }
        _ => {}
    }
}

/// Follows references to the schema that is meant.
pub(super) fn resolve<'a>(schema: &'a Value, components: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/components/schemas/"));
    match name.and_then(|name| components["schemas"].get(name)) {
        Some(schema) => resolve(schema, components),
        None => schema,
    }
}

/// All named properties, through references and combinations.
pub(super) fn properties<'a>(schema: &'a Value, components: &'a Value, known: &mut Vec<(String, &'a Value)>) {
    let schema = resolve(schema, components);
    if let Some(Value::Object(members)) = schema.get("properties") {
        known.extend(members.iter().map(|(name, schema)| (name.clone(), schema)));
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(name).and_then(Value::as_array).into_iter().flatten() {
            properties(part, components, known);
        }
    }
}

/// Text of a query or form as the value that the schema means: `"5"` is a number where one is expected.
pub(super) fn coerce(text: &str, schema: &Value, components: &Value) -> Value {
    let schema = resolve(schema, components);
    let parsed = || serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Value::String(text.to_owned()),
        Some("array") if text.starts_with('[') => parsed(),
        Some("array") => {
            text.split(',').map(|part| coerce(part, schema.get("items").unwrap_or(&Value::Null), components)).collect()
        }
        _ => parsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullable_becomes_a_type() {
        let mut schema = json!({"type": "object", "properties": {
            "nullable": {"type": "string", "nullable": true, "enum": ["a"]},
            "either": {"nullable": true, "anyOf": [{"type": "string"}]},
            "required": {"type": "string", "required": true},
        }});
        convert(&mut schema);
        let validator = validator(&schema, &json!({})).unwrap();
        assert!(validator.is_valid(&json!({"nullable": null, "either": null, "required": "x"})));
        assert!(!validator.is_valid(&json!({"nullable": "b"})));
    }

    #[test]
    fn strangers_through_references() {
        let components = json!({"schemas": {
            "A": {"allOf": [{"properties": {"x": {"type": "string"}}}, {"$ref": "#/components/schemas/B"}]},
            "B": {"properties": {"y": {"type": "array", "items": {"properties": {"z": {}}}}, "open": {"type": "object"}}},
        }});
        let schema = json!({"$ref": "#/components/schemas/A"});
        let value = json!({"x": "", "y": [{"z": 1}, {"q": 1}], "open": {"any": 1}, "w": 1});
        let mut found = Vec::new();
        strangers(&schema, &components, &value, "", &mut found);
        found.sort();
        assert_eq!(found, ["/w", "/y/1/q"]);
    }
}
