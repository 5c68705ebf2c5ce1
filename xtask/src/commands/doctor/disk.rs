//! Room on the disks that a loop writes to, each named by its folder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Problem;
use crate::layout::Layout;
use crate::settings::Settings;

/// A folder that is written to, and the room that this takes, in bytes.
struct Use {
    folder: PathBuf,
    what: &'static str,
    needs: u64,
    fix: &'static str,
}

/// A use, and what its disk says.
struct Found {
    of: Use,
    device: u64,
    free: u64,
    /// None where nobody counts the files.
    files: Option<u64>,
}

/// Looks where cargo, the loop itself and its children write.
pub fn look(settings: &Settings) -> anyhow::Result<String> {
    let found: anyhow::Result<Vec<Found>> = uses(settings).into_iter().map(ask).collect();
    judge(found?).map_err(Into::into)
}

fn uses(settings: &Settings) -> Vec<Use> {
    // Where cargo is not asked or does not answer, which is another check's business, it is below the root.
    let products = Layout::read(settings).map(|layout| layout.products);
    let target = products.ok().and_then(|folders| folders.into_iter().next());
    vec![
        Use {
            folder: target.unwrap_or_else(|| settings.root.join("target")),
            what: "a build",
            needs: 3_000_000_000,
            fix: "make room there: cargo clean, docker system prune",
        },
        Use {
            folder: settings.work_dir(),
            what: "Terraform with its providers",
            needs: 1_000_000_000,
            fix: "make room there: cargo clean, docker system prune",
        },
        Use {
            folder: std::env::temp_dir(),
            what: "a plan with its output",
            needs: 100_000_000,
            fix: "make room there, or set TMPDIR to another folder",
        },
    ]
}

/// The folder itself may not be there yet.
fn ask(of: Use) -> anyhow::Result<Found> {
    let there = of.folder.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("/"));
    let asking = || format!("asking for room in {}", there.display());
    let stat = rustix::fs::statvfs(there).with_context(asking)?;
    let device = std::fs::metadata(there).with_context(asking)?.dev();
    Ok(Found {
        device,
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        files: (stat.f_files > 0).then_some(stat.f_favail),
        of,
    })
}

/// The first that lacks something; else one line for each disk, of the use that needs most.
fn judge(all: Vec<Found>) -> Result<String, Problem> {
    let mut lines = Vec::new();
    let mut seen = Vec::new();
    for found in all {
        let folder = found.of.folder.display();
        if found.files == Some(0) {
            let lack = format!("no room for another file in {folder}: its disk has no inode left");
            return Err(Problem::failed(lack, found.of.fix));
        }
        let free = format!("{:.1} GB free in {folder}", found.free as f64 / 1e9);
        if found.free < found.of.needs {
            let needs = found.of.needs as f64 / 1e9;
            let lack = format!("{free}; {} needs {needs} GB", found.of.what);
            return Err(Problem::failed(lack, found.of.fix));
        }
        if !seen.contains(&found.device) {
            seen.push(found.device);
            lines.push(free);
        }
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &str, device: u64, free: u64) -> Found {
        Found {
            of: Use {
                folder: folder.into(),
                what: "a build",
                needs: 3_000_000_000,
                fix: "make room there",
            },
            device,
            free,
            files: Some(1000),
        }
    }

    #[test]
    fn each_disk_is_named_once_by_its_folder() {
        let all = vec![
            found("/w/target", 1, 4_200_000_000),
            found("/w/records", 1, 4_200_000_000),
            found("/tmp", 2, 8_000_000_000),
        ];
        assert_eq!(
            judge(all).unwrap(),
            "4.2 GB free in /w/target\n8.0 GB free in /tmp"
        );
    }

    #[test]
    fn a_full_disk_is_a_failure_that_names_the_folder() {
        let well = || found("/w/target", 1, 4_200_000_000);
        let problem = judge(vec![well(), found("/tmp", 2, 900_000_000)]).unwrap_err();
        assert_eq!(problem.message, "0.9 GB free in /tmp; a build needs 3 GB");
        let full = Found {
            files: Some(0),
            ..well()
        };
        let problem = judge(vec![full]).unwrap_err();
        assert!(
            problem.message.contains("another file in /w/target"),
            "{problem}"
        );
        let uncounted = Found {
            files: None,
            ..well()
        };
        assert!(judge(vec![uncounted]).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        let home = tempfile::tempdir().unwrap();
        let of = found(home.path().join("not/there").to_str().unwrap(), 0, 0).of;
        let device = std::fs::metadata(home.path()).unwrap().dev();
        assert_eq!(ask(of).unwrap().device, device);
    }
}
