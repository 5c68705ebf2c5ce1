//! Which files and rows are good, and what is said of the others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{RejectedRow, Summary, check_claims, result_key};

const HEADER: &str = "claim_id,first_day,last_day,weekly_benefit\n";

fn problems(row: &str) -> Vec<String> {
    let summary = check_claims(format!("{HEADER}{row}\n").as_bytes()).unwrap();
    summary
        .rejected_rows
        .into_iter()
        .flat_map(|row| row.problems)
        .collect()
}

#[test]
fn counts_good_rows_and_names_bad_ones() {
    let csv = format!(
        "\u{feff}{HEADER}NTN-1,2026-01-05,2026-02-05,850.00\nNTN-1,2026-01-05,2026-02-05,850\n\
         \n\"NTN,3\",2026-03-01,2026-02-05,x\n"
    );
    let duplicate = RejectedRow {
        line: 3,
        problems: vec!["claim_id appears twice".to_owned()],
    };
    let wrong = RejectedRow {
        line: 5,
        problems: vec![
            "last_day is before first_day".to_owned(),
            "weekly_benefit is not an amount like 850.00".to_owned(),
        ],
    };
    let expected = Summary {
        accepted: 1,
        rejected: 2,
        rejected_rows: vec![duplicate, wrong],
    };
    assert_eq!(check_claims(csv.as_bytes()).unwrap(), expected);
}

#[test]
fn checks_each_column() {
    let date = "is not a date like 2026-01-31";
    let amount = "weekly_benefit is not an amount like 850.00";
    let cases: [(&str, &[&str]); 11] = [
        ("a,2026-01-05,2026-01-05,0", &[]),
        (" a , 2026-01-05 ,2026-01-06,12.34", &[]),
        (",2026-01-05,2026-01-06,1", &["claim_id is missing"]),
        ("a,2026-1-5,2026-01-06,1", &[&format!("first_day {date}")]),
        ("a,2026-01-05,2026-02-30,1", &[&format!("last_day {date}")]),
        (
            "a,2026-01-07,2026-01-06,1",
            &["last_day is before first_day"],
        ),
        ("a,2026-01-05,2026-01-06,1.5", &[amount]),
        ("a,2026-01-05,2026-01-06,-1", &[amount]),
        ("a,2026-01-05,2026-01-06,", &[amount]),
        ("a,2026-01-05", &["2 columns instead of 4"]),
        (
            "a,2026-01-05,2026-01-06,1,surplus",
            &["5 columns instead of 4"],
        ),
    ];
    for (row, expected) in cases {
        assert_eq!(problems(row), expected, "{row}");
    }
}

#[test]
fn names_a_thousand_rejected_rows_at_most() {
    let csv = HEADER.to_owned() + &",,,\n".repeat(1500);
    let summary = check_claims(csv.as_bytes()).unwrap();
    assert_eq!(
        (summary.rejected, summary.rejected_rows.len()),
        (1500, 1000)
    );
}

#[test]
fn a_row_that_is_not_text_is_rejected() {
    let csv = [HEADER.as_bytes(), b"\xff,2026-01-05,2026-01-06,1\n"].concat();
    assert_eq!(
        check_claims(&csv).unwrap().rejected_rows[0].problems,
        ["not UTF-8"]
    );
}

#[test]
fn another_file_is_an_error() {
    for (csv, message) in [
        (
            "a,b\n1,2\n",
            "the header must be `claim_id,first_day,last_day,weekly_benefit`, not `a,b`",
        ),
        (
            "",
            "the header must be `claim_id,first_day,last_day,weekly_benefit`, not ``",
        ),
    ] {
        assert_eq!(
            format!("{:#}", check_claims(csv.as_bytes()).unwrap_err()),
            message
        );
    }
}

#[test]
fn a_result_is_never_imported() {
    assert_eq!(
        result_key("claims/may.csv").unwrap(),
        "results/claims/may.csv.json"
    );
    assert_eq!(
        result_key("results.csv").unwrap(),
        "results/results.csv.json"
    );
    result_key("results/claims/may.csv.json").unwrap_err();
}
