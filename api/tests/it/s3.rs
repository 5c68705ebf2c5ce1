//! The stand-in answers what a path holds and keeps what is put there; it checks no signature. That
//! the client works with an AWS is tried in the sandbox.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::{api, lines};

type Objects = Arc<Mutex<BTreeMap<String, String>>>;

fn stand_in(objects: &Objects) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let objects = Arc::clone(objects);
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &objects);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, objects: &Objects) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    let header = |name: &str| {
        let value = head
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default().to_owned()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut words = head[0].split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let found = match method {
        "put" => {
            let body = String::from_utf8(body).unwrap();
            objects.lock().unwrap().insert(path.to_owned(), body);
            Some(String::new())
        }
        // What the credentials endpoint gives depends on the token; all else is signed by its key.
        _ if path == "/credentials" && header("authorization") != "t0k3n" => None,
        _ if path != "/credentials" && !header("authorization").contains("credential=key/") => None,
        _ => objects.lock().unwrap().get(path).cloned(),
    };
    let status = if found.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = found.unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"1\"\r\nconnection: close\r\n\
         last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n{body}"
    )
    .unwrap();
}

fn call(endpoint: &str, arguments: &[&str], keys: &[(&str, &str)]) -> Output {
    let mut command = api(arguments);
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1");
    command.envs(keys.iter().copied()).output().unwrap()
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];
const CSV: &str = "claim_id,first_day,last_day,weekly_benefit\n\
                   NTN-1,2026-01-05,2026-02-05,850.00\nNTN-2,2026-01-05,x,1\n";
const RESULT: &str = r#"{
  "accepted": 1,
  "rejected": 1,
  "rejected_rows": [
    {
      "line": 3,
      "problems": [
        "last_day is not a date like 2026-01-31"
      ]
    }
  ]
}"#;

#[test]
fn import_claims_writes_a_result_object() {
    let objects = Objects::default();
    objects
        .lock()
        .unwrap()
        .insert("/claims/in/may.csv".to_owned(), CSV.to_owned());
    let credentials = r#"{"AccessKeyId":"key","SecretAccessKey":"secret","Token":"session"}"#;
    objects
        .lock()
        .unwrap()
        .insert("/credentials".to_owned(), credentials.to_owned());
    let endpoint = stand_in(&objects);
    let container = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &*format!("{endpoint}/credentials"),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t0k3n"),
    ];
    for keys in [KEYS, container] {
        let output = call(&endpoint, &["import-claims", "claims", "in/may.csv"], &keys);
        let lines = lines(&output);
        assert_eq!(output.status.code(), Some(0), "{lines:?}");
        assert_eq!(
            lines[1]["message"],
            "claims imported, some rows were rejected"
        );
        assert_eq!(lines[1]["result_key"], "results/in/may.csv.json");
        let result = objects
            .lock()
            .unwrap()
            .remove("/claims/results/in/may.csv.json");
        assert_eq!(result.as_deref(), Some(RESULT));
    }
}

#[test]
fn what_is_missing_is_named() {
    let endpoint = stand_in(&Objects::default());
    let output = call(&endpoint, &["import-claims", "claims", "in/may.csv"], &KEYS);
    assert_eq!(output.status.code(), Some(1));
    let error = lines(&output)[1]["error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with("reading s3://claims/in/may.csv: Object at location"),
        "{error}"
    );
}

#[test]
fn nightly_report_adds_up_one_day() {
    let objects = Objects::default();
    let contents: String = [("a", "2026-01-02T23:59:59"), ("b", "2026-01-03T00:00:00")]
        .map(|(name, time)| {
            format!(
                "<Contents><Key>results/{name}.csv.json</Key><LastModified>{time}.000Z\
                 </LastModified><Size>9</Size><ETag>1</ETag></Contents>"
            )
        })
        .concat();
    let list = format!("<ListBucketResult>{contents}</ListBucketResult>");
    let question = "/claims?list-type=2&prefix=results%2f".to_owned();
    objects.lock().unwrap().insert(question, list);
    objects
        .lock()
        .unwrap()
        .insert("/claims/results/a.csv.json".to_owned(), RESULT.to_owned());
    let endpoint = stand_in(&objects);
    let arguments = [
        "nightly-report",
        "--bucket",
        "claims",
        "--day",
        "2026-01-02",
    ];
    let output = call(&endpoint, &arguments, &KEYS);
    let line = &lines(&output)[1];
    assert_eq!(line["message"], "claims imported", "{line}");
    assert_eq!(
        (&line["day"], &line["files"]),
        (&"2026-01-02".into(), &1.into())
    );
    assert_eq!(
        (&line["accepted"], &line["rejected"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_scheduled_report_needs_no_argument() {
    let output = api(&["nightly-report"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output)[1]["level"], "WARN");
}
