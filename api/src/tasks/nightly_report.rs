//! `nightly-report`: started by a schedule. Adds up what `import-claims` did on one day.

use anyhow::{Result, bail};
use chrono::{Days, NaiveDate, Utc};
use clap::Args;
use tracing::{info, warn};

use super::import_claims::{RESULTS, Summary};
use crate::background_task::{Context, background_task};
use crate::s3::Bucket;

#[derive(Args)]
struct Arguments {
    /// The day to report on, in UTC; yesterday without it
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<NaiveDate>,

    /// The bucket that `import-claims` works on
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
}

/// Reports how many claims were imported and rejected on one day: yesterday, unless told otherwise.
#[background_task("nightly-report")]
async fn main(arguments: Arguments, context: Context) -> Result<()> {
    let Some(day) = arguments
        .day
        .or_else(|| Utc::now().date_naive().checked_sub_days(Days::new(1)))
    else {
        bail!("there is no day before today");
    };
    let Some(bucket) = arguments.bucket else {
        warn!(%day, "no --bucket was given: there is nothing to report on");
        return Ok(());
    };
    let bucket = Bucket::open(&bucket)?;
    let mut report = Report::default();
    for object in bucket.list(RESULTS).await? {
        if context.is_cancelled() {
            return Ok(());
        }
        if object.last_modified.date_naive() == day {
            report.add(&bucket.read(object.location.as_ref()).await?);
        }
    }
    let Report {
        files,
        accepted,
        rejected,
        unreadable,
    } = report;
    info!(%day, files, accepted, rejected, unreadable, "claims imported");
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Report {
    files: u64,
    accepted: u64,
    rejected: u64,
    /// What lies among the results and is none.
    unreadable: u64,
}

impl Report {
    fn add(&mut self, result: &[u8]) {
        match serde_json::from_slice::<Summary>(result) {
            Ok(summary) => {
                self.files += 1;
                self.accepted += summary.accepted;
                self.rejected += summary.rejected;
            }
            Err(_) => self.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn adds_up_the_results_of_a_day() {
        let mut report = Report::default();
        report.add(br#"{"accepted":2,"rejected":1,"rejected_rows":[{"line":3,"problems":["p"]}]}"#);
        report.add(br#"{"accepted":5,"rejected":0,"rejected_rows":[]}"#);
        report.add(b"something else");
        let expected = Report {
            files: 2,
            accepted: 7,
            rejected: 1,
            unreadable: 1,
        };
        assert_eq!(report, expected);
    }
}
