//! The background tasks, one file each. A file needs its line here, as any Rust module does; what
//! makes its function an entrypoint is `#[background_task("name")]` alone.

mod diagnose;
mod import_claims;
mod my_new_task_name;
mod nightly_report;
