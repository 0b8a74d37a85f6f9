//! Reads an OpenAPI file into operations with their validators.

use std::{fs, path::Path};

use anyhow::Context;
use jsonschema::Validator;
use serde_json::Value;

use super::schema;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One file.
#[derive(Debug)]
pub(super) struct Spec {
    pub name: &'static str,
    base: &'static str,
    /// `{"schemas": …}`, converted.
    pub components: Value,
    pub operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub id: String,
    /// Upper case.
    pub method: String,
    path: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    /// Status (`200`, `4XX`, `default`) → schema and validator; none for an answer without a described body.
    pub answers: Vec<(String, Option<(Value, Validator)>)>,
}

/// A query or path parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: String,
    pub in_path: bool,
    pub required: bool,
    pub schema: Value,
    pub validator: Validator,
}

/// A request body.
#[derive(Debug)]
pub(super) struct Body {
    pub required: bool,
    pub kinds: Vec<String>,
    /// `None`: anything, or bytes.
    pub schema: Option<(Value, Validator)>,
}

impl Spec {
    pub fn load(file: &Path, name: &'static str, base: &'static str) -> anyhow::Result<Self> {
        let text = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
        let document: Value =
            serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
        let mut components = serde_json::json!({"schemas": document["components"]["schemas"]});
        if let Some(schemas) = components["schemas"].as_object_mut() {
            schemas.values_mut().for_each(schema::convert);
        }
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let real = item["x-real-path"].as_str().and_then(|real| real.split_whitespace().next()).unwrap_or(path);
            for method in METHODS {
                if let Some(described) = item.get(method) {
                    let operation = Operation::read(method, real, described, &components);
                    operations.push(operation.with_context(|| format!("{name}: {method} {path}"))?);
                }
            }
        }
        anyhow::ensure!(!operations.is_empty(), "{} describes no operation", file.display());
        Ok(Self { name, base, components, operations })
    }

    /// The path as the file writes it; `None` when it isn't this platform's.
    pub fn local(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(self.base)?;
        match self.name {
            "youtube" => (rest.starts_with("/youtube/") || rest.starts_with("/upload/")).then(|| rest.to_owned()),
            "facebook" => {
                let first = rest.split('/').nth(1).unwrap_or_default();
                let version = first.starts_with('v') && first[1..].starts_with(|c: char| c.is_ascii_digit());
                Some(if version { rest.to_owned() } else { format!("/v0.0{rest}") })
            }
            _ => Some(rest.to_owned()),
        }
    }
}

impl Operation {
    fn read(method: &str, path: &str, described: &Value, components: &Value) -> anyhow::Result<Self> {
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let parameters: anyhow::Result<Vec<Parameter>> = parameters
            .filter(|p| p["in"] == "query" || p["in"] == "path")
            .map(|p| Parameter::read(p, components))
            .collect();
        let mut answers = Vec::new();
        for (status, answer) in described["responses"].as_object().into_iter().flatten() {
            answers.push((status.clone(), usable(&answer["content"]["application/json"]["schema"], components)?));
        }
        let body = &described["requestBody"];
        Ok(Self {
            id: described["operationId"].as_str().unwrap_or(path).to_owned(),
            method: method.to_uppercase(),
            path: path.split('/').skip(1).map(str::to_owned).collect(),
            parameters: parameters?,
            body: if body.is_object() { Some(Body::read(body, components)?) } else { None },
            answers,
        })
    }

    /// Path parameters by position, when the path fits.
    pub fn fits<'a>(&self, path: &'a str) -> Option<Vec<(String, &'a str)>> {
        let given: Vec<&str> = path.split('/').skip(1).collect();
        if given.len() != self.path.len() {
            return None;
        }
        let mut values = Vec::new();
        for (described, given) in self.path.iter().zip(given) {
            match described.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => values.push((name.to_owned(), given)),
                None if described == given => {}
                None => return None,
            }
        }
        Some(values)
    }

    pub fn literals(&self) -> usize {
        self.path.iter().filter(|segment| !segment.starts_with('{')).count()
    }
}

impl Parameter {
    fn read(described: &Value, components: &Value) -> anyhow::Result<Self> {
        let mut schema = described["schema"].clone();
        schema::convert(&mut schema);
        Ok(Self {
            name: described["name"].as_str().unwrap_or_default().to_owned(),
            in_path: described["in"] == "path",
            required: described["required"] == true,
            validator: schema::validator(&schema, components)?,
            schema,
        })
    }
}

impl Body {
    fn read(described: &Value, components: &Value) -> anyhow::Result<Self> {
        let content = described["content"].as_object().into_iter().flatten();
        let kinds: Vec<String> = content.clone().map(|(kind, _)| kind.clone()).collect();
        let schema = content.map(|(_, content)| &content["schema"]).next().unwrap_or(&Value::Null);
        let schema = if schema["format"] == "binary" { None } else { usable(schema, components)? };
        let bytes = kinds.iter().any(|kind| kind.starts_with("image/"));
        // Some files say "required" of a body that they don't describe: nothing can be wrong with leaving it out.
        Ok(Self { required: described["required"] == true && (schema.is_some() || bytes), kinds, schema })
    }
}

fn usable(schema: &Value, components: &Value) -> anyhow::Result<Option<(Value, Validator)>> {
    if schema.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(None);
    }
    let mut schema = schema.clone();
    schema::convert(&mut schema);
    let validator = schema::validator(&schema, components)?;
    Ok(Some((schema, validator)))
}
