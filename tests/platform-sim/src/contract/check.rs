//! One call against one operation.

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::{
    Violation,
    load::{Operation, Parameter, Spec},
    schema,
};
use crate::{journal::JournalEntry, redact::MASK};

/// Taken by every Graph call, described or not.
const GRAPH_ANYWHERE: [&str; 3] = ["access_token", "appsecret_proof", "fields"];

/// Everything that is wrong with the call.
pub(super) fn call(spec: &Spec, operation: &Operation, entry: &JournalEntry) -> Vec<Violation> {
    let mut check = Check { spec, operation, found: Vec::new() };
    check.path(entry);
    check.headers(entry);
    let left = check.query(entry);
    check.body(entry, left);
    if entry.fault.is_none() {
        check.answer(entry);
    }
    check.found
}

struct Check<'a> {
    spec: &'a Spec,
    operation: &'a Operation,
    found: Vec<Violation>,
}

impl Check<'_> {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        let operation = format!("{} {}", self.spec.name, self.operation.id);
        self.found.push(Violation { operation, place: place.into(), message: message.into() });
    }

    fn validate(&mut self, place: &str, validator: &Validator, value: &Value) {
        let errors: Vec<(String, String)> = validator
            .iter_errors(value)
            .map(|error| (format!("{place} {}", error.instance_path), error.to_string().chars().take(300).collect()))
            .collect();
        errors.into_iter().for_each(|(place, message)| self.add(place, message));
    }

    fn path(&mut self, entry: &JournalEntry) {
        let path = self.spec.local(&entry.path).unwrap_or_default();
        for (name, value) in self.operation.fits(&path).unwrap_or_default() {
            if let Some(parameter) = self.operation.parameters.iter().find(|p| p.in_path && p.name == name) {
                let value = schema::coerce(value, &parameter.schema, &self.spec.components);
                self.validate(&format!("path {name}"), &parameter.validator, &value);
            }
        }
    }

    fn headers(&mut self, entry: &JournalEntry) {
        let needed: &[&str] = match self.spec.name {
            "twitch" => &["authorization", "client-id"],
            "facebook" => &[],
            _ => &["authorization"],
        };
        // A call that was refused for exactly that is a test of the refusal.
        if entry.status.is_some_and(|status| (400..=401).contains(&status)) {
            return;
        }
        for name in needed {
            if !entry.headers.contains_key(*name) {
                self.add(format!("header {name}"), "is missing");
            }
        }
    }

    /// Checks what the file describes; returns what it does not, for a body that takes it.
    fn query(&mut self, entry: &JournalEntry) -> Vec<(String, String)> {
        let mut left = Vec::new();
        for (name, value) in &entry.query {
            let name = name.split('[').next().unwrap_or_default();
            match self.operation.parameters.iter().find(|p| !p.in_path && p.name == name) {
                Some(_) if value == MASK => {}
                Some(parameter) => {
                    let value = self.wide(parameter, value);
                    self.validate(&format!("query {name}"), &parameter.validator, &value);
                }
                None if self.spec.name == "facebook" && GRAPH_ANYWHERE.contains(&name) => {}
                None => left.push((name.to_owned(), value.clone())),
            }
        }
        for parameter in self.operation.parameters.iter().filter(|p| p.required && !p.in_path) {
            let refused = entry.status.is_some_and(|status| status >= 400);
            if !refused && !entry.query.iter().any(|(name, _)| *name == parameter.name) {
                self.add(format!("query {}", parameter.name), "is required");
            }
        }
        if self.spec.name == "facebook" && self.operation.body.is_some() {
            return left;
        }
        for (name, _) in left {
            self.add(format!("query {name}"), "is not described");
        }
        Vec::new()
    }

    /// One occurrence of a parameter that may be a list.
    fn wide(&self, parameter: &Parameter, text: &str) -> Value {
        schema::coerce(text, &parameter.schema, &self.spec.components)
    }

    fn body(&mut self, entry: &JournalEntry, left: Vec<(String, String)>) {
        let Some(body) = &self.operation.body else {
            if !entry.body.is_null() {
                self.add("request", "has a body, none is described");
            }
            return;
        };
        let kind = entry.headers.get("content-type").map_or("", |kind| kind.split(';').next().unwrap_or_default());
        let graph = self.spec.name == "facebook"; // takes JSON and forms alike
        if !entry.body.is_null() && !graph && !body.kinds.iter().any(|known| known == kind) {
            self.add("request", format!("is {kind:?}, not one of {:?}", body.kinds));
        }
        let refused = entry.status.is_some_and(|status| status >= 400);
        if entry.body.is_null() && body.required && !refused {
            self.add("request", "needs a body");
        }
        let Some((described, validator)) = &body.schema else { return };
        let value = match graph {
            true => self.form(entry, left, described),
            false if entry.body.is_null() => return,
            false => entry.body.clone(),
        };
        let mut strangers = Vec::new();
        schema::strangers(described, &self.spec.components, &value, "", &mut strangers);
        strangers.into_iter().for_each(|at| self.add(format!("request {at}"), "is not described"));
        if !refused {
            self.validate("request", validator, &value);
        }
    }

    /// Form fields and left-over query parameters as the values that they mean.
    fn form(&self, entry: &JournalEntry, left: Vec<(String, String)>, described: &Value) -> Value {
        let mut known = Vec::new();
        schema::properties(described, &self.spec.components, &mut known);
        let null = Value::Null;
        let mut value = Map::new();
        let members = entry.body.as_object().into_iter().flatten();
        let texts = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        for (name, text) in texts.chain(left) {
            let schema = known.iter().find(|(known, _)| *known == name).map_or(&null, |(_, schema)| *schema);
            value.insert(name, schema::coerce(&text, schema, &self.spec.components));
        }
        for (name, given) in entry.body.as_object().into_iter().flatten().filter(|(_, given)| !given.is_string()) {
            value.insert(name.clone(), given.clone());
        }
        GRAPH_ANYWHERE.iter().for_each(|name| {
            value.remove(*name);
        });
        Value::Object(value)
    }

    fn answer(&mut self, entry: &JournalEntry) {
        let Some(status) = entry.status else { return };
        let range = format!("{}XX", status / 100);
        let find = |name: &str| self.operation.answers.iter().find(|(status, _)| status == name);
        let described = find(&status.to_string()).or_else(|| find(&range)).or_else(|| find("default"));
        // Any call can be refused; a file that lists only some statuses still describes the form of a refusal.
        let refusal = || self.operation.answers.iter().find(|(known, _)| status >= 400 && known.starts_with('4'));
        match described.or_else(refusal) {
            None if status >= 500 => {}
            None => self.add("answer", format!("status {status} is not described")),
            Some((_, Some((_, validator)))) => self.validate("answer", validator, &entry.response_body),
            Some((_, None)) if status == 204 && !entry.response_body.is_null() => {
                self.add("answer", "has a body, none is described");
            }
            Some((_, None)) => {}
        }
    }
}
