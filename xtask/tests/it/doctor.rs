//! `doctor`: each prerequisite is taken away, and it alone is named, with what brings it back.

use serde_json::Value;

use crate::harness::{Checkout, Ended, FakeBin, Shared, always_answering, keys, target_dir};

/// A machine with an AWS account and GitHub, which here are the sandbox's, past `--sandbox`.
struct Machine {
    checkout: Checkout,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    fn complete(name: &str, endpoint: &str) -> Machine {
        let nowhere = "/nonexistent".to_owned();
        let keys = keys::of(endpoint).unwrap();
        Machine {
            checkout: Checkout::named(name),
            variables: vec![
                ("AWS_ENDPOINT_URL", endpoint.to_owned()),
                ("AWS_ACCESS_KEY_ID", keys.control_id),
                ("AWS_SECRET_ACCESS_KEY", keys.control_secret),
                ("AWS_CONFIG_FILE", nowhere.clone()),
                ("AWS_SHARED_CREDENTIALS_FILE", nowhere.clone()),
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
                ("GH_CONFIG_DIR", nowhere),
                ("GITHUB_API_URL", format!("{endpoint}/_github")),
                ("GH_TOKEN", keys.github_token),
                ("XTASK_AWS_ACCOUNT_ID", "000000000000".to_owned()),
            ],
        }
    }

    /// What the doctor says when some of the variables are others; an empty one is not there.
    fn doctor(&self, others: &[(&'static str, String)]) -> Ended {
        let mut variables = self.variables.clone();
        for (key, value) in others {
            variables.retain(|(known, _)| known != key);
            variables.push((key, value.clone()));
        }
        let doctor = self.checkout.xtask(["doctor", "--json"]);
        let present = variables.iter().filter(|(_, value)| !value.is_empty());
        present
            .fold(doctor, |doctor, (key, value)| doctor.env(key, value))
            .run()
    }
}

/// The names of what is missing, each with its fix.
fn missing(ended: &Ended) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = document["result"].as_array().unwrap();
    let missing = checks.iter().filter(|check| check["ok"] == false);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    missing
        .map(|check| (text(&check["name"]), text(&check["fix"])))
        .collect()
}

/// Variables that are set beside those of every test.
type Environment = Vec<(&'static str, String)>;

#[test]
fn each_prerequisite_that_is_missing_is_named_alone_with_its_fix() {
    let (shared, _together) = Shared::together();
    let machine = Machine::complete("doctor", &shared.endpoint);
    let well = machine.doctor(&[]).expect_code(0);
    assert_eq!(missing(&well), []);
    // Where cargo builds, wherever that is.
    well.expect_stdout(&format!("GB free in {}", target_dir().display()));

    let path = |name: &str, hidden: &str| {
        let bin = FakeBin::named(&format!("doctor-without-{name}")).everything_but(&[hidden]);
        bin.only().into_string().unwrap()
    };
    let answering = |status, kind: &str, body: &str| always_answering(status, kind, body);
    let no_cluster = r#"{"clusters": [], "failures": [{"reason": "MISSING"}]}"#;
    let other_account = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111111111111:root</Arn><UserId>x</UserId><Account>111111111111</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let cases: [(&str, Environment, &str); 11] = [
        (
            "cargo",
            vec![("CARGO", "/nonexistent/cargo".into())],
            "rustup.rs",
        ),
        (
            "terraform",
            vec![("PATH", path("terraform", "terraform"))],
            "install Terraform",
        ),
        (
            "docker",
            vec![
                ("PATH", path("docker", "docker")),
                ("XTASK_BUILDER", "docker".into()),
            ],
            "install Docker",
        ),
        (
            "credentials",
            vec![("AWS_ACCESS_KEY_ID", String::new())],
            "aws sso login",
        ),
        (
            "credentials",
            vec![(
                "AWS_ENDPOINT_URL_STS",
                answering(200, "text/xml", other_account),
            )],
            "switch the profile",
        ),
        (
            "ECR repository",
            vec![("XTASK_ECR_REPOSITORY", "no-such".into())],
            "infra/foundation",
        ),
        (
            "ECS cluster",
            vec![(
                "AWS_ENDPOINT_URL_ECS",
                answering(200, "application/x-amz-json-1.1", no_cluster),
            )],
            "infra/foundation",
        ),
        (
            "logs",
            vec![(
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
                answering(
                    400,
                    "application/x-amz-json-1.1",
                    r#"{"__type": "AccessDeniedException", "message": "no"}"#,
                ),
            )],
            "lacks this permission",
        ),
        (
            "state bucket",
            vec![("AWS_ENDPOINT_URL_S3", answering(404, "text/xml", ""))],
            "infra/foundation",
        ),
        ("GitHub", vec![("GH_TOKEN", String::new())], "gh auth login"),
        (
            "GitHub",
            vec![(
                "GITHUB_API_URL",
                answering(401, "application/json", r#"{"message": "Bad credentials"}"#),
            )],
            "the token is not valid",
        ),
    ];
    for (name, others, fix) in cases {
        let ended = machine.doctor(&others).expect_code(126);
        let missing = missing(&ended);
        assert_eq!(missing.len(), 1, "without {name}: {missing:?}");
        assert_eq!(missing[0].0, name, "{missing:?}");
        assert!(missing[0].1.contains(fix), "{missing:?}");
    }

    std::fs::rename(
        machine.checkout.root.join(".git"),
        machine.checkout.root.join("git"),
    )
    .unwrap();
    let ended = machine.doctor(&[]).expect_code(126);
    let missing = missing(&ended);
    assert_eq!(missing.len(), 1, "without git: {missing:?}");
    assert_eq!(missing[0].0, "git");
    assert!(missing[0].1.contains("git init"), "{missing:?}");
}

#[test]
fn docker_is_asked_for_only_where_it_is_needed() {
    let (shared, _together) = Shared::together();
    let machine = Machine::complete("doctor-docker", &shared.endpoint);
    let bin = FakeBin::named("doctor-no-docker").everything_but(&["docker"]);
    let path = ("PATH", bin.only().into_string().unwrap());
    let ended = machine.doctor(&[path]).expect_code(0);
    ended.expect_stdout("not there, and not needed: the image is built without it");
}

#[test]
fn a_sandbox_that_does_not_run_yet_is_no_fault_and_no_real_account_is_asked() {
    let checkout = Checkout::named("doctor-sandbox");
    let ended = checkout
        .xtask(["doctor", "--sandbox"])
        // Whoever asks AWS would be told of these.
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .run()
        .expect_code(0);
    assert!(!ended.stdout.contains("credentials"), "{}", ended.stdout);
    ended.expect_stdout(
        "– sandbox         does not run yet: the next command with --sandbox starts it\n",
    );
}

const WORKFLOW: &str = ".github/workflows/api-auto-deploy.yml";

/// The workflow with this filter under `push`.
fn filtered_by(checkout: &Checkout, filter: &str) {
    let text = checkout.read(WORKFLOW);
    let branches = "    branches: [main]\n";
    let filtered = text.replace(branches, &format!("{branches}{filter}"));
    assert_ne!(filtered, text);
    checkout.write(WORKFLOW, &filtered);
}

/// `api` reads the crates `shared` and, through it, `deep`; only its tests read `checks`.
fn with_path_crates(checkout: &Checkout) {
    let package = |name: &str, dependencies: &str| {
        let manifest =
            format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n\n{dependencies}");
        checkout.write(&format!("crates/{name}/Cargo.toml"), &manifest);
        checkout.write(&format!("crates/{name}/src/lib.rs"), "");
    };
    package(
        "shared",
        "[build-dependencies]\ndeep = { path = \"../deep\" }\n",
    );
    package("deep", "");
    package("checks", "");
    let workspace = checkout.read("Cargo.toml");
    let members = workspace.replace("\"xtask\"]", "\"crates/*\", \"xtask\"]");
    assert_ne!(members, workspace);
    checkout.write("Cargo.toml", &members);
    let api = checkout.read("api/Cargo.toml");
    let uses = api.replace(
        "api-macros = ",
        "shared = { path = \"../crates/shared\" }\napi-macros = ",
    );
    let dev = "\n[dev-dependencies]\nchecks = { path = \"../crates/checks\" }\n";
    checkout.write("api/Cargo.toml", &(uses + dev));
    // The lock file names them, as after any call of cargo.
    let update = ["update", "--workspace", "--offline", "--quiet"];
    let updated = checkout.program("cargo").args(update).status().unwrap();
    assert!(updated.success());
}

#[test]
fn a_workflow_whose_paths_leave_out_what_is_read_is_named() {
    let (shared, _together) = Shared::together();
    let machine = Machine::complete("doctor-paths", &shared.endpoint);
    let checkout = &machine.checkout;
    with_path_crates(checkout);
    // Without a filter each push deploys.
    machine
        .doctor(&[])
        .expect_code(0)
        .expect_stdout("each push deploys (api-auto-deploy.yml)");

    let unfiltered = checkout.read(WORKFLOW);
    filtered_by(checkout, "    paths: [api/**, infra/**, Cargo.*]\n");
    let ended = machine.doctor(&[]).expect_code(126).expect_stdout(
        "api-auto-deploy.yml deploys on changes of api/**, infra/**, Cargo.* and not of .cargo/config.toml, crates/deep, crates/shared, rust-toolchain.toml\"",
    );
    let fix = "remove its `paths:`, or add .cargo/config.toml, crates/deep/**, crates/shared/**, rust-toolchain.toml";
    assert_eq!(missing(&ended), [("workflows".into(), fix.into())]);

    checkout.write(WORKFLOW, &unfiltered);
    filtered_by(
        checkout,
        "    paths: [api/**, infra/**, Cargo.*, crates/**, .cargo/**, rust-toolchain.toml]\n",
    );
    machine.doctor(&[]).expect_code(0);

    std::fs::remove_file(checkout.root.join(WORKFLOW)).unwrap();
    machine
        .doctor(&[])
        .expect_code(0)
        .expect_stdout("api-auto-deploy.yml is not in .github/workflows");
}

#[test]
fn paths_are_of_the_repository_also_where_the_workspace_is_in_a_folder_of_it() {
    let (shared, _together) = Shared::together();
    let mut machine = Machine::complete("doctor-subfolder", &shared.endpoint);
    let top = &machine.checkout.root;
    std::fs::create_dir(top.join("services")).unwrap();
    for part in ["api", "infra", "xtask", "Cargo.toml", "Cargo.lock"] {
        std::fs::rename(top.join(part), top.join("services").join(part)).unwrap();
    }
    filtered_by(
        &machine.checkout,
        "    paths: [api/**, services/infra/**, services/Cargo.*]\n",
    );
    machine.checkout.root = top.join("services");
    let ended = machine.doctor(&[]).expect_code(126);
    let fix =
        "remove its `paths:`, or add .cargo/config.toml, rust-toolchain.toml, services/api/**";
    assert_eq!(missing(&ended), [("workflows".into(), fix.into())]);
}
