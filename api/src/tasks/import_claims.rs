//! `import-claims`: started by an upload. Reads a CSV of claims, checks each row, writes the result.
//!
//! Claims are personal data: the log and the result name lines and columns, never values.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use chrono::NaiveDate;
use clap::Args;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::background_task::{Context, background_task};
use crate::s3::Bucket;

/// Where the results are, in the bucket that the claims came from.
pub const RESULTS: &str = "results";

const COLUMNS: [&str; 4] = ["claim_id", "first_day", "last_day", "weekly_benefit"];
/// More of them help nobody: the file's producer has one mistake, not thousands.
const REJECTED_ROWS_NAMED: usize = 1000;

#[derive(Args)]
struct Arguments {
    /// The bucket that holds the CSV
    bucket: String,
    /// The object's key
    key: String,
}

/// Imports a CSV of claims from S3: checks every row and writes a result object.
#[background_task("import-claims")]
async fn main(Arguments { bucket, key }: Arguments, context: Context) -> Result<()> {
    let result_key = result_key(&key)?;
    let import = async {
        let bucket = Bucket::open(&bucket)?;
        let summary = check_claims(&bucket.read(&key).await?)
            .with_context(|| format!("checking s3://{}/{key}", bucket.name()))?;
        bucket
            .write(&result_key, serde_json::to_vec_pretty(&summary)?)
            .await?;
        anyhow::Ok(summary)
    };
    let summary = tokio::select! {
        summary = import => summary?,
        // The result is written at the very end and in one piece: there is nothing to clean up.
        () = context.cancelled() => return Ok(()),
    };
    let Summary {
        accepted, rejected, ..
    } = summary;
    if rejected == 0 {
        info!(accepted, rejected, result_key, "claims imported");
    } else {
        warn!(
            accepted,
            rejected, result_key, "claims imported, some rows were rejected"
        );
    }
    Ok(())
}

/// `claims/may.csv` → `results/claims/may.csv.json`.
fn result_key(key: &str) -> Result<String> {
    let is_result = key
        .strip_prefix(RESULTS)
        .is_some_and(|rest| rest.starts_with('/'));
    // A trigger that covers the whole bucket would otherwise start this task for ever.
    ensure!(
        !is_result,
        "{key} is a result of this task, not a file of claims"
    );
    Ok(format!("{RESULTS}/{key}.json"))
}

/// The result object.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub accepted: u64,
    pub rejected: u64,
    /// The first of the rejected rows.
    pub rejected_rows: Vec<RejectedRow>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// As an editor counts: the header is line 1.
    pub line: u64,
    pub problems: Vec<String>,
}

/// An error when the file as a whole is none of ours; a bad row is only counted and named.
fn check_claims(csv: &[u8]) -> Result<Summary> {
    // Spreadsheets put a byte order mark before the first name.
    let csv = csv.strip_prefix("\u{feff}".as_bytes()).unwrap_or(csv);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(csv);
    let header = reader.headers().context("reading the header")?.clone();
    ensure!(
        header == COLUMNS[..],
        "the header must be `{}`, not `{}`",
        COLUMNS.join(","),
        header.iter().collect::<Vec<_>>().join(",")
    );

    let mut summary = Summary::default();
    let mut known = HashSet::new();
    for row in reader.byte_records() {
        let row = row.context("reading a row")?;
        let problems = match csv::StringRecord::from_byte_record(row.clone()) {
            Ok(row) => check_row(&row, &mut known),
            Err(_) => vec!["not UTF-8".to_owned()],
        };
        if problems.is_empty() {
            summary.accepted += 1;
            continue;
        }
        summary.rejected += 1;
        if summary.rejected_rows.len() < REJECTED_ROWS_NAMED {
            let line = line_of(&row, csv);
            summary.rejected_rows.push(RejectedRow { line, problems });
        }
    }
    Ok(summary)
}

/// csv's own number is that of the first of the blank lines before the row.
fn line_of(row: &csv::ByteRecord, csv: &[u8]) -> u64 {
    let Some(position) = row.position() else {
        return 0;
    };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let blank = csv
        .iter()
        .skip(start)
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    blank.fold(position.line(), |line, &byte| {
        line + u64::from(byte == b'\n')
    })
}

fn check_row(row: &csv::StringRecord, known: &mut HashSet<String>) -> Vec<String> {
    if row.len() != COLUMNS.len() {
        return vec![format!(
            "{} columns instead of {}",
            row.len(),
            COLUMNS.len()
        )];
    }
    let (id, first_day, last_day, benefit) = (&row[0], &row[1], &row[2], &row[3]);
    let mut problems = Vec::new();
    let mut check = |good: bool, problem: &str| {
        if !good {
            problems.push(problem.to_owned());
        }
    };
    check(!id.is_empty(), "claim_id is missing");
    check(
        id.is_empty() || known.insert(id.to_owned()),
        "claim_id appears twice",
    );
    let (first_day, last_day) = (day(first_day), day(last_day));
    check(
        first_day.is_some(),
        "first_day is not a date like 2026-01-31",
    );
    check(last_day.is_some(), "last_day is not a date like 2026-01-31");
    let in_order = first_day
        .zip(last_day)
        .is_none_or(|(first, last)| first <= last);
    check(in_order, "last_day is before first_day");
    check(
        is_amount(benefit),
        "weekly_benefit is not an amount like 850.00",
    );
    problems
}

fn day(text: &str) -> Option<NaiveDate> {
    // chrono alone would also take `2026-1-5`.
    text.parse()
        .ok()
        .filter(|day: &NaiveDate| day.to_string() == text)
}

/// Dollars, and cents with both digits or not at all.
fn is_amount(text: &str) -> bool {
    let (dollars, cents) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(dollars) && digits(cents) && cents.len() == 2
}

#[cfg(test)]
mod tests;
