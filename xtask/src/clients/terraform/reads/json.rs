//! The same of a file in JSON: `*.tf.json`, and variables. What it says in the template language is not
//! taken apart.

use serde_json::Value;

use super::manifest::Call;
use super::mentions::Mention;
use super::rules;

/// None when it is no JSON.
pub fn read(file: &str, text: &str) -> Option<(Vec<Mention>, Vec<Call>)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut mentions = Vec::new();
    let mut calls = Vec::new();
    for (word, value) in objects(&value) {
        match word {
            "terraform" => continue,
            "module" => {
                for (name, module) in objects(value) {
                    let attributes = objects(module);
                    let source = attributes.iter().find(|(key, _)| *key == "source");
                    calls.extend(source.map(|(_, source)| Call {
                        name: name.to_owned(),
                        source: source.as_str().map(str::to_owned),
                    }));
                    for (key, value) in attributes {
                        if !matches!(key, "source" | "version") {
                            strings(file, value, &mut mentions);
                        }
                    }
                }
            }
            "data" | "resource" | "ephemeral" => {
                for (of, named) in objects(value) {
                    block(file, word, of, named, &mut mentions);
                }
            }
            _ => strings(file, value, &mut mentions),
        }
    }
    Some((mentions, calls))
}

/// The entries of an object, or of a list of them: JSON has both for blocks.
fn objects(value: &Value) -> Vec<(&str, &Value)> {
    match value {
        Value::Object(object) => object.iter().map(|(k, v)| (k.as_str(), v)).collect(),
        Value::Array(array) => array.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

fn block(file: &str, word: &str, of: &str, named: &Value, mentions: &mut Vec<Mention>) {
    if let Some(why) = rules::unknown_type(word, of) {
        mentions.push(Mention::Unknown(format!("{file}: {word} \"{of}\": {why}")));
    }
    let blocks = objects(named).into_iter().flat_map(|(_, it)| objects(it));
    for (key, value) in blocks {
        match value.as_str() {
            Some(path) if rules::is_file(of, key) && !path.contains("${") => {
                mentions.push(Mention::Named(path.to_owned()));
            }
            Some(text) if rules::is_file(of, key) => unknown(file, text, mentions),
            _ => strings(file, value, mentions),
        }
    }
}

fn strings(file: &str, value: &Value, mentions: &mut Vec<Mention>) {
    match value {
        Value::String(text) => string(file, text, mentions),
        Value::Array(array) => array.iter().for_each(|it| strings(file, it, mentions)),
        Value::Object(object) => {
            for (key, value) in object {
                string(file, key, mentions);
                strings(file, value, mentions);
            }
        }
        _ => {}
    }
}

fn string(file: &str, text: &str, mentions: &mut Vec<Mention>) {
    if rules::needs_understanding(text) {
        unknown(file, text, mentions);
    } else if rules::can_be_a_path(text) {
        mentions.push(Mention::Maybe(text.to_owned()));
    }
}

fn unknown(file: &str, text: &str, mentions: &mut Vec<Mention>) {
    let why = "nobody can tell what it reads";
    mentions.push(Mention::Unknown(format!("{file}: `{text}`: {why}")));
}
