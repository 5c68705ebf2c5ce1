//! One file per outside system: a concrete struct with a few verbs in our own words.
//! The systems' own types stay inside.

#[cfg(test)]
pub mod answering;
pub mod attestations;
pub mod aws;
pub mod build_environment;
pub mod cargo;
pub mod docker;
pub mod ecr;
pub mod ecs;
pub mod events;
pub mod files;
pub mod git;
pub mod github;
pub mod hold;
pub mod image;
pub mod logs;
pub mod objects;
pub mod own_files;
pub mod private_folder;
pub mod process;
pub mod registry;
pub mod scheduler;
pub mod secrets;
pub mod signed;
pub mod state;
pub mod state_bucket;
pub mod tasks_file;
pub mod terraform;
