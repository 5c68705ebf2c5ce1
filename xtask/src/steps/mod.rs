//! The steps of the loop. Each takes what the one before returned, so that the order is the only
//! one that compiles.

pub mod applied;
pub mod apply_terraform;
pub mod attest;
pub mod build_image;
pub mod claim;
pub mod compile;
pub mod content;
pub mod deployed_outputs;
pub mod follow_task;
pub mod hand_over;
pub mod isolate;
pub mod launch_task;
pub mod make_image;
pub mod own_tags;
pub mod preflight;
pub mod protected;
pub mod push_image;
pub mod require_paused;
pub mod reserve;
pub mod restore;
mod saved_plan;
pub mod sources;
pub mod stayed_deployed;
