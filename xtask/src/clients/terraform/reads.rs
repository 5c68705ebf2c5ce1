use std::path::PathBuf;
pub struct Reads {
    pub configuration: Vec<PathBuf>,
    pub named: Vec<PathBuf>,
    pub unknown: Option<String>,
}
impl super::Terraform {
    pub fn reads(&self) -> Option<Reads> {
        None
    }
}
