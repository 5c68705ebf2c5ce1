//! One loop as against a real account, looked at from outside: what it sends, what it prints and
//! writes, and what other processes of the machine can read of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::python::python;
use crate::harness::{
    Behaviour, Checkout, Ended, Shared, Wire, as_if_real, aws, base, keys, repository,
};

/// A value that must stay where it belongs, and what it is.
type Secret = (&'static str, String);

const PARAMETER: &str = "/api/test/diagnose-secret";

pub fn a_loop_keeps_its_secrets_and_sends_what_aws_takes() {
    let (shared, _alone) = Shared::alone();
    let checkout = Checkout::named("observed").with_state_in_the_sandbox();
    let mut wire = Wire::bind();
    let port = shared.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    wire.serve(Behaviour {
        sandbox: port,
        aws: port,
        reset_percent: 0,
        seed: 0,
    });
    let temporary = base().join("observed-tmp");
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary).unwrap();

    let name = json!({ "Name": PARAMETER });
    let before = aws(&shared.endpoint, "AmazonSSM.GetParameter", &name);
    let set = |value: &str| {
        let input = json!({ "Name": PARAMETER, "Value": value, "Overwrite": true });
        aws(&shared.endpoint, "AmazonSSM.PutParameter", &input);
    };
    let secrets = secrets(shared);
    let value = |what: &str| &secrets.iter().find(|(name, _)| *name == what).unwrap().1;
    set(value("the SSM parameter"));
    let xtask = |args: &[&str]| {
        as_if_real(checkout.xtask(args), &wire.endpoint())
            .env("AWS_SECRET_ACCESS_KEY", value("the secret access key"))
            .env("GH_TOKEN", value("GitHub's token"))
            .env("TMPDIR", &temporary)
    };
    // The docker builder has the most to hide: its push wants a password from a file.
    checkout.another_image("observed");
    let watch = Watch::start();
    let args = [
        "try",
        "diagnose",
        "--yes",
        "--verbose",
        "--author",
        "observed",
    ];
    let tried = xtask(&args).env("XTASK_BUILDER", "docker").run();
    let seen = watch.stop();
    let sent = wire.sent();
    let fixtures = checkout.root.join("target/fixtures");
    let record = ["record", "diagnose", "--out", fixtures.to_str().unwrap()];
    let recorded = xtask(&record).run();
    set(before["Parameter"]["Value"].as_str().unwrap());

    let tried = tried.expect_code(0);
    tried_is_silent_about(
        &secrets,
        &tried,
        &seen,
        &[&checkout.root.join("target"), &temporary],
    );
    fixtures_are_masked(&recorded.expect_code(0), &fixtures);
    requests_are_right(&sent, &checkout.root.join("target/requests"));
}

/// The parameter's is ours; the others are the sandbox's own.
fn secrets(shared: &Shared) -> Vec<Secret> {
    let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    let token = aws(&shared.endpoint, target, &json!({}));
    let token = token["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let pair = base64::engine::general_purpose::STANDARD
        .decode(&token)
        .unwrap();
    let password = String::from_utf8(pair).unwrap();
    let password = password.split_once(':').unwrap().1.to_owned();
    let random = || format!("{:032x}", fastrand::u128(..));
    let keys = keys::of(&shared.endpoint).unwrap();
    vec![
        ("the registry's password", password),
        ("the registry's token", token),
        ("the secret access key", keys.control_secret),
        ("GitHub's token", keys.github_token),
        ("the SSM parameter", random()),
    ]
}

#[track_caller]
fn tried_is_silent_about(secrets: &[Secret], tried: &Ended, seen: &Seen, folders: &[&Path]) {
    let mut places = vec![
        ("stdout".to_owned(), tried.stdout.clone().into_bytes()),
        ("stderr".to_owned(), tried.stderr.clone().into_bytes()),
    ];
    places.extend(
        seen.arguments
            .iter()
            .map(|text| ("argv".to_owned(), text.clone())),
    );
    for folder in folders {
        for file in files(folder) {
            places.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
    }
    // It would find something if there was something: these are known to be there.
    let contains = |place: &[u8], word: &str| {
        place
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    for (place, word) in [
        ("stderr", "exited 0"),
        ("argv", "\0-chdir="),
        ("argv", "\0push\0"),
        ("/events.jsonl", "diagnose"),
    ] {
        let mut there = places.iter().filter(|(name, _)| name.ends_with(place));
        assert!(
            there.any(|(_, text)| contains(text, word)),
            "no {word:?} in {place}"
        );
    }
    for (what, secret) in secrets {
        assert!(
            secret.len() >= 8,
            "{what} is too short to be looked for: {secret}"
        );
        for (place, text) in &places {
            assert!(!contains(text, secret), "{what} is in {place}");
        }
    }
    // Children inherit what the user's own environment has, and nothing of what we were given.
    for (what, secret) in secrets
        .iter()
        .filter(|(what, _)| what.starts_with("the registry"))
    {
        let there = seen.environments.iter().any(|text| contains(text, secret));
        assert!(!there, "{what} is in a process's environment");
    }
    assert!(!seen.environments.is_empty());
    let left = files(folders[1]);
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        // Providers are links to what the machine has.
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() && entry.metadata().unwrap().len() < 50_000_000 {
            found.push(entry.path());
        }
    }
    found
}

/// What `ps` and its like can read of all processes, many times a second.
struct Watch {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    arguments: BTreeSet<Vec<u8>>,
    environments: BTreeSet<Vec<u8>>,
}

impl Watch {
    fn start() -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !until.load(Ordering::SeqCst) {
                seen.look();
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        Watch { over, thread }
    }

    fn stop(self) -> Seen {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

impl Seen {
    fn look(&mut self) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            // One that is no process has neither; one that has just ended, too.
            if let Ok(arguments) = fs::read(process.path().join("cmdline")) {
                self.arguments.insert(arguments);
            }
            if let Ok(environment) = fs::read(process.path().join("environ")) {
                self.environments.insert(environment);
            }
        }
    }
}

#[track_caller]
fn fixtures_are_masked(recorded: &Ended, folder: &Path) {
    let mut names: Vec<String> = files(folder)
        .iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "cloudwatch-logs.getlogevents.json",
            "ecr.batchgetimage.json",
            "ecr.describerepositories.json",
            "ecs.describeclusters.json",
            "ecs.describetaskdefinition.json",
            "ecs.describetasks.json",
            "ecs.listtasks.json",
            "sts.getcalleridentity.xml",
        ]
    );
    for name in names {
        assert!(recorded.stdout.contains(&name), "{}", recorded.stdout);
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(!text.contains("000000000000"), "{name}: {text}");
    }
    let text = fs::read_to_string(folder.join("ecs.describetaskdefinition.json")).unwrap();
    let definition: Value = serde_json::from_str(&text).unwrap();
    let definition = &definition["taskDefinition"];
    let arn = definition["taskDefinitionArn"].as_str().unwrap();
    assert!(
        arn.starts_with("arn:aws:ecs:us-east-1:111122223333:task-definition/api-test-diagnose:")
    );
    let variable = &definition["containerDefinitions"][0]["environment"][0];
    assert!(
        variable["value"].as_str().unwrap().starts_with("masked ("),
        "{variable}"
    );
    let text = fs::read_to_string(folder.join("cloudwatch-logs.getlogevents.json")).unwrap();
    assert!(
        text.contains("masked (") && !text.contains("task started"),
        "{text}"
    );
}

/// By AWS's own models: the operation exists, and its input has the members, types and values that
/// the service takes.
#[track_caller]
fn requests_are_right(sent: &[Vec<u8>], folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (number, bytes) in sent.iter().enumerate() {
        fs::write(folder.join(format!("{number}.sent")), bytes).unwrap();
    }
    let (ok, text) = check(folder);
    assert!(ok, "{text}");
    for operation in [
        "ecr.DescribeRepositories",
        "ecr.GetAuthorizationToken",
        "ecs.DescribeTasks",
        "ecs.RunTask",
        "logs.GetLogEvents",
        "s3.DeleteObject",
        "s3.PutObject",
        "sts.GetCallerIdentity",
    ] {
        assert!(
            text.lines().any(|line| line == operation),
            "no {operation} in\n{text}"
        );
    }

    // The models do find what is wrong.
    let broken = folder.join("broken");
    fs::create_dir_all(&broken).unwrap();
    for (wrong, target, body) in [
        (
            "Missing required parameter",
            "RunTask",
            r#"{"cluster":"a"}"#,
        ),
        (
            "Unknown parameter",
            "RunTask",
            r#"{"taskDefinition":"a","clusterName":"a"}"#,
        ),
        (
            "is none of",
            "RunTask",
            r#"{"taskDefinition":"a","launchType":"FARGAT"}"#,
        ),
        (
            "Invalid type",
            "RunTask",
            r#"{"taskDefinition":"a","count":"1"}"#,
        ),
        ("no operation", "RunTasks", r#"{}"#),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.{target}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        fs::write(broken.join("0.sent"), request).unwrap();
        let (ok, text) = check(&broken);
        assert!(!ok && text.contains(wrong), "{body}: {text}");
    }
}

fn check(folder: &Path) -> (bool, String) {
    let output = Command::new(python())
        .arg(repository().join("xtask/tests/it/fixtures/python/check_requests.py"))
        .arg(folder)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}
