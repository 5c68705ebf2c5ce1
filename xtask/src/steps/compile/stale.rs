//! What cargo cannot see is stale, as it compares times, gets the time of now: as if an editor had
//! saved it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::PROFILE;
use super::toolchain::{Toolchain, compiler, host_of};
use crate::layout::Layout;
use crate::session::Session;
use crate::steps::sources::own_sources;

/// Files that have another content than at the last compile: one may come with an old time (`cp -p`, an
/// archive). Of a package that is watched whole cargo knows the newest time alone: it cannot miss what
/// is gone, nor look behind a link.
pub fn touch(session: &Session, stale: &[PathBuf], watched_whole: &BTreeSet<PathBuf>) {
    let now = SystemTime::now();
    let manifests = watched_whole.iter().filter_map(|package| {
        let mut stale = stale.iter();
        let is_stale = stale.any(|file| file.starts_with(package));
        is_stale.then(|| package.join("Cargo.toml"))
    });
    for file in stale.iter().cloned().chain(manifests) {
        if set_time(&file, now) {
            session.touched.add(file, now);
        }
    }
}

/// Cargo's products may be another checkout's: with one target directory, whatever was compiled last
/// counts for both where the sources are older. The same goes for a compile of which nothing is known.
/// Then all of the user's own crates are compiled anew.
pub async fn take_over(session: &Session, layout: &Layout, is_first: bool) -> anyhow::Result<()> {
    let settings = &session.settings;
    let host = host_of(&compiler(session).await?)?;
    let toolchain = Toolchain::choose(settings.platform, &host);
    for target_dir in layout.products.iter().take(1) {
        let profile = target_dir.join(toolchain.triple()).join(PROFILE);
        let owner = profile.join(".xtask-checkout");
        let ours = settings.root.as_os_str().as_encoded_bytes();
        let is_ours = std::fs::read(&owner).is_ok_and(|owner| owner == ours);
        if profile.exists() && (is_first || !is_ours) {
            let sources = own_sources(settings, &session.interrupt).await?;
            touch(session, &sources, &BTreeSet::new());
        }
        std::fs::create_dir_all(&profile)
            .and_then(|()| std::fs::write(&owner, ours))
            .with_context(|| format!("writing {}", owner.display()))?;
    }
    Ok(())
}

/// One that cannot be written was not edited here either; cargo goes by its time.
fn set_time(file: &Path, time: SystemTime) -> bool {
    let times = std::fs::FileTimes::new().set_modified(time);
    let file = file
        .is_file()
        .then(|| std::fs::File::options().append(true).open(file));
    let opened = file.and_then(Result::ok);
    opened.is_some_and(|file| file.set_times(times).is_ok())
}
