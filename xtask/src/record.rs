//! The record of one launch: a small file under `target/xtask/runs/<run id>/`.
//!
//! It is written before RunTask is called, with the clientToken of that call. Whatever happens to us
//! afterwards, the next call for the same run finds it and asks ECS with the same token, which gives
//! the task that the token started, or starts the one that was never started.

pub mod recorder;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::clients::ecs::Launch;
use crate::clients::own_files;

const FILE: &str = "launch.json";
/// How many of the newest runs are looked at for one that was cut off.
const LOOK_BACK: usize = 50;
/// ECS forgets stopped tasks after an hour; an older call is not repeated under its old token.
const REPEATABLE: Duration = Duration::from_secs(55 * 60);
/// How long ECS may not know a task that it has just accepted (DescribeTasks is eventually consistent).
pub const MISSING_GRACE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRecord {
    /// Sorts by time: `20260102-030405-1a2b3c`. Also the tag `xtask-run` of the task.
    pub run_id: String,
    /// The task's name.
    pub task: String,
    pub environment: String,
    pub image_tag: String,
    /// What was asked for, as one hash: equal requests are the same run. Also the tag `xtask-request`.
    pub request: String,
    /// RFC 3339, UTC.
    pub launched_at: String,
    /// The call, word for word: the same token is only good for the same call.
    pub launch: Launch,
    /// None until ECS has answered.
    #[serde(default)]
    pub task_arn: Option<String>,
    /// True once the task was seen stopped.
    #[serde(default)]
    pub ended: bool,
}

impl LaunchRecord {
    /// The folder of a run; what else is kept of it goes there too.
    pub fn folder(work_dir: &Path, run_id: &str) -> PathBuf {
        work_dir.join("runs").join(run_id)
    }

    pub fn save(&self, work_dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing a launch as JSON")?;
        own_files::write(&Self::folder(work_dir, &self.run_id).join(FILE), &text)
    }

    /// The launches of this request that were not seen to their end, newest first.
    pub fn find_unended(work_dir: &Path, request: &str) -> Vec<LaunchRecord> {
        let Ok(entries) = std::fs::read_dir(work_dir.join("runs")) else {
            return Vec::new();
        };
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let newest = folders.into_iter().rev().take(LOOK_BACK);
        newest
            .filter_map(|folder| {
                // A file that cannot be read is no launch that could be repeated.
                let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
                serde_json::from_str::<LaunchRecord>(&text).ok()
            })
            .filter(|record| !record.ended && record.request == request)
            .collect()
    }

    /// Whether the same call under the same token can find the task: the answer was lost, or ECS has
    /// answered so lately that it may not list the task yet.
    pub fn is_repeatable(&self, now: SystemTime) -> bool {
        let launched = humantime::parse_rfc3339(&self.launched_at).ok();
        let age = launched.and_then(|launched| now.duration_since(launched).ok());
        let limit = match self.task_arn {
            None => REPEATABLE,
            Some(_) => MISSING_GRACE,
        };
        age.is_some_and(|age| age < limit)
    }
}

/// A name for this run that sorts by time: `20260102-030405-1a2b3c`.
pub fn run_id(now: SystemTime) -> String {
    let now = humantime::format_rfc3339_seconds(now).to_string();
    let digits: String = now.chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    format!("{date}-{time}-{:06x}", fastrand::u32(..0x0100_0000))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn record(run_id: &str, request: &str) -> LaunchRecord {
        LaunchRecord {
            run_id: run_id.into(),
            task: "job".into(),
            environment: "test".into(),
            image_tag: "abc".into(),
            request: request.into(),
            launched_at: "2026-01-02T03:04:05Z".into(),
            launch: Launch {
                cluster: "api-test".into(),
                task_definition: "api-test-job:1".into(),
                container: "job".into(),
                command: vec!["job".into()],
                environment: vec![("A".into(), "b".into())],
                cpu: None,
                memory: Some("512".into()),
                subnets: Vec::new(),
                security_groups: Vec::new(),
                assign_public_ip: true,
                platform_version: "1.4.0".into(),
                started_by: "jo".into(),
                tags: Vec::new(),
                client_token: "token".into(),
            },
            task_arn: None,
            ended: false,
        }
    }

    #[test]
    fn only_the_same_request_that_has_not_ended_is_found_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut ended = record("3", "same");
        ended.ended = true;
        for record in [
            record("1", "same"),
            record("2", "same"),
            ended,
            record("4", "other"),
        ] {
            record.save(folder.path()).unwrap();
        }
        let cut_off = LaunchRecord::folder(folder.path(), "5");
        std::fs::create_dir_all(&cut_off).unwrap();
        std::fs::write(cut_off.join(FILE), "{\"run_id\": \"5").unwrap();
        let found = LaunchRecord::find_unended(folder.path(), "same");
        assert_eq!(found, [record("2", "same"), record("1", "same")]);
        assert!(LaunchRecord::find_unended(&folder.path().join("none"), "same").is_empty());
    }

    #[test]
    fn a_call_is_repeated_while_ecs_remembers_its_token_or_may_not_list_its_task_yet() {
        let launched = humantime::parse_rfc3339("2026-01-02T03:04:05Z").unwrap();
        let mut record = record("1", "same");
        assert!(record.is_repeatable(launched + Duration::from_secs(60)));
        assert!(!record.is_repeatable(launched + Duration::from_secs(3600)));
        record.task_arn = Some("arn".into());
        assert!(record.is_repeatable(launched + Duration::from_secs(59)));
        assert!(!record.is_repeatable(launched + Duration::from_secs(60)));
    }

    #[test]
    fn run_ids_sort_by_time_and_fit_a_client_token() {
        let id = run_id(SystemTime::now());
        assert_eq!(id.len(), "20260102-030405-1a2b3c".len(), "{id}");
        assert!(id.len() + 17 <= 64);
    }
}
