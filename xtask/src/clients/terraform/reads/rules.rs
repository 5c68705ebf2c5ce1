//! Which functions, blocks and attributes of Terraform read files, or cannot be known.

use hcl_edit::expr::FuncCall;
use hcl_edit::structure::Block;

use super::plain::function;

/// What a function does with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It reads the file that its first argument names.
    Reads,
    /// So it does, and what the file says is evaluated.
    Renders,
    /// It reads a folder.
    Lists,
    /// Another value at each plan.
    New,
    /// It may read anything.
    Opaque,
    /// A path that goes in comes out as it is, or not as a path.
    Keeps,
    /// Another path may come out than goes in.
    Text,
}

pub const READS: [&str; 9] = [
    "file",
    "filebase64",
    "fileexists",
    "filemd5",
    "filesha1",
    "filesha256",
    "filesha512",
    "filebase64sha256",
    "filebase64sha512",
];
/// They read as well, and in another way.
pub const RENDERS: [&str; 3] = ["templatefile", "templatestring", "fileset"];
pub const NEW: [&str; 4] = ["timestamp", "plantimestamp", "uuid", "bcrypt"];

pub fn kind(call: &FuncCall) -> Kind {
    let Some(name) = function(call) else {
        let mut namespace = call.name.namespace.iter().map(|part| part.as_str());
        let known = matches!(namespace.nth(1), Some("aws" | "terraform"));
        return if known { Kind::Text } else { Kind::Opaque };
    };
    match name {
        "templatefile" => Kind::Renders,
        "templatestring" => Kind::Opaque,
        "fileset" => Kind::Lists,
        name if READS.contains(&name) => Kind::Reads,
        name if NEW.contains(&name) => Kind::New,
        "merge" | "concat" | "tolist" | "toset" | "tomap" | "tostring" | "try" | "can"
        | "coalesce" | "coalescelist" | "compact" | "distinct" | "flatten" | "keys" | "values"
        | "lookup" | "element" | "contains" | "length" | "one" | "zipmap" | "setunion"
        | "jsonencode" | "yamlencode" | "base64encode" | "sensitive" | "nonsensitive" | "md5"
        | "sha1" | "sha256" | "sha512" | "startswith" | "endswith" | "basename" => Kind::Keeps,
        _ => Kind::Text,
    }
}

/// Why nobody can tell what a block reads.
pub fn unknown_block(block: &Block) -> Option<String> {
    let of = block.labels.first()?.as_str();
    let word = block.ident.as_str();
    let why = unknown_type(word, of)?;
    let backend = block.body.get_attribute("backend");
    let backend = backend.and_then(|attribute| attribute.value.as_str());
    // A state that is elsewhere is like everything else that AWS has.
    let is_elsewhere = backend.is_some_and(|backend| backend != "local");
    (of != "terraform_remote_state" || !is_elsewhere).then(|| format!("{word} \"{of}\": {why}"))
}

/// The same by its type alone.
pub fn unknown_type(word: &str, of: &str) -> Option<&'static str> {
    let provider = of.split('_').next().unwrap_or_default();
    let known = match word {
        // Their one input is a file.
        "data" if matches!(of, "local_file" | "local_sensitive_file") => true,
        // A state may be a file as well.
        "data" if of == "terraform_remote_state" => false,
        "resource" => matches!(provider, "aws" | "awscc" | "null" | "random" | "terraform"),
        _ => matches!(provider, "aws" | "terraform"),
    };
    (!known).then_some("nobody can tell what it reads")
}

/// Is the value of a resource's attribute the path of a file?
pub fn is_file(of: &str, attribute: &str) -> bool {
    match attribute {
        "filename" | "zip_file" => true,
        "source" => matches!(of, "aws_s3_object" | "aws_s3_bucket_object"),
        _ => false,
    }
}

/// No file has a name of several lines, or of none.
pub fn can_be_a_path(text: &str) -> bool {
    !text.is_empty() && text.len() < 4096 && !text.contains(['\n', '\0'])
}

/// Does a text go up a folder?
pub fn leads_up(text: &str) -> bool {
    text.contains("../") || text.contains("/..")
}

/// The folder that all files of a pattern are below, relative to where it begins; None for one that
/// leaves it.
pub fn fixed_part(pattern: &str) -> Option<String> {
    if pattern.contains("..") {
        return None;
    }
    let parts = pattern.split('/');
    let fixed = parts.take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
    // Not `/x`, which would begin anew.
    let fixed: Vec<&str> = fixed.filter(|part| !part.is_empty()).collect();
    Some(fixed.join("/"))
}

/// Does a text in the template language, as in JSON, name anything that must be understood?
pub fn needs_understanding(text: &str) -> bool {
    let calls = READS.iter().chain(&RENDERS).chain(&NEW);
    let is_template = text.contains("${") || text.contains("%{");
    is_template
        && (calls.into_iter().any(|name| is_called(text, name))
            || ["path.", "provider::", "core::", ".."]
                .iter()
                .any(|word| text.contains(word)))
}

/// Is a function called somewhere in a text?
pub fn is_called(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let inside_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
        !inside_a_word && text[at + name.len()..].trim_start().starts_with('(')
    })
}
