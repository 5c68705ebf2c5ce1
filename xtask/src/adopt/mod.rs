//! What another repository needs to use this tool: settings, alias, and on request the Terraform
//! template and the workflows. Text in, text out; what is there already is kept as it is.

pub mod manifest;
pub mod template;
