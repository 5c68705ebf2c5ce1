//! Repositories that are not laid out like this one: what runs there is what is written there.

mod arguments;
mod binaries;
mod edits;
mod folders;
mod hidden;
mod path_crate;
mod terraform;
