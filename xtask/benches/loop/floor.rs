//! What no tool can leave out, by direct calls: compile the changed crate, move the changed bytes, one
//! apply, start a task, read its log. No question is asked twice and nothing is checked. Terraform plans
//! beside the compile, and attaches to a provider that was started with the schema of what is in use.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::proxy::Proxy;
use crate::harness::served::{Served, provider_binary};
use crate::harness::{keys, request};
use crate::{Case, Laps, TASK, succeed};

pub struct Floor<'a> {
    pub proxy: &'a Proxy,
    pub root: &'a Path,
    pub outputs: Value,
    pub triple: &'a str,
    /// The types of resources and data sources that the configuration names.
    pub types: &'a [String],
}

impl Floor<'_> {
    pub fn run(&mut self, case: Case, tag: &str) -> Laps {
        let mut laps = Laps::start();
        let planning = matches!(case, Case::OneLine | Case::Terraform).then(|| {
            // Terraform alone changes no image: the tag is the one that is applied.
            let applied = self.outputs["service_docker_tag"]["value"].as_str();
            let applied = applied.filter(|_| case == Case::Terraform);
            self.plan(applied.unwrap_or(tag))
        });
        if case == Case::OneLine {
            self.compile();
            laps.lap("build");
            self.upload(tag);
            laps.lap("push");
        }
        if let Some((provider, mut plan)) = planning {
            assert!(plan.wait().unwrap().success());
            laps.lap("plan");
            self.apply(&provider);
            laps.lap("apply");
        }
        let (arn, cluster) = self.launch();
        laps.lap("launch");
        self.follow(&arn, &cluster);
        laps.lap("task");
        laps
    }

    pub fn compile(&self) {
        succeed(
            self.command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
                .args([
                    "build",
                    "--quiet",
                    "--locked",
                    "--profile",
                    "image",
                    "--package",
                    "api",
                ])
                .args(["--bin", "api", "--target", self.triple]),
        );
    }

    /// The changed layer in one request, and a manifest that names it.
    fn upload(&self, tag: &str) {
        let binary = format!("{}/image/api", self.triple);
        let binary = crate::build_folder(self.root).join(binary);
        let mut tar = tar::Builder::new(Vec::new());
        let binary = std::fs::read(binary).unwrap();
        // Plain: Docker takes no sparse file.
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(binary.len() as u64);
        tar.append_data(&mut header, "api", &binary[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(2));
        gzip.write_all(&tar).unwrap();
        let layer = gzip.finish().unwrap();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/api"]},
            "created": "1970-01-01T00:00:00Z", "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "floor"}],
            "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]},
        });
        let config = config.to_string().into_bytes();
        for blob in [&layer, &config] {
            let path = "/v2/api/blobs/uploads/";
            let begun = request_raw(self.proxy.port, "POST", path, "", &[]);
            let location = begun.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("location:")
                    .map(|_| line[9..].trim().to_owned())
            });
            let location = location.unwrap_or_else(|| panic!("no place for a blob: {begun}"));
            let path = location
                .find("/v2/")
                .map_or(location.clone(), |at| location[at..].to_owned());
            let joint = if path.contains('?') { '&' } else { '?' };
            let put = format!("{path}{joint}digest={}", digest(blob));
            let put = request_raw(
                self.proxy.port,
                "PUT",
                &put,
                "application/octet-stream",
                blob,
            );
            assert!(put.starts_with("HTTP/1.1 201"), "{put}");
        }
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(&layer), "size": layer.len()}],
        });
        let body = manifest.to_string();
        let put = request_raw(
            self.proxy.port,
            "PUT",
            &format!("/v2/api/manifests/{tag}"),
            kind,
            body.as_bytes(),
        );
        assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    }

    fn folder(&self) -> PathBuf {
        self.root.join("infra/ecs-tasks/environments/floor")
    }

    /// A plan without a look at what is there, with a provider of its own.
    fn plan(&self, tag: &str) -> (Served, Child) {
        let mut command = self.command(env!("CARGO_BIN_EXE_xtask"));
        command.current_dir(self.folder());
        let binary = provider_binary(&self.folder().join(".terraform/providers"));
        let schema = crate::target().join("floor-schema");
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let provider = Served::start(command, &binary, &schema, &types);
        let mut terraform = self.command("terraform");
        let plan = terraform
            .current_dir(self.folder())
            .env("TF_REATTACH_PROVIDERS", &provider.reattach)
            .args(["plan", "-input=false", "-refresh=false", "-lock=false"])
            .args([
                "-out=floor.tfplan",
                "-var=aws_account_id=000000000000",
                "-var=platform=linux/amd64",
            ])
            .arg(format!("-var=service_docker_tag={tag}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        (provider, plan)
    }

    fn apply(&mut self, provider: &Served) {
        let mut terraform = self.command("terraform");
        terraform
            .current_dir(self.folder())
            .env("TF_REATTACH_PROVIDERS", &provider.reattach)
            .args(["apply", "-input=false", "-lock=false", "-json"])
            .arg("floor.tfplan");
        let said = succeed(&mut terraform);
        let mut messages = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let outputs = messages.rfind(|message| message["type"] == "outputs");
        self.outputs = outputs.unwrap_or_else(|| panic!("no outputs in {said}"))["outputs"].take();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        crate::clean(&mut command, self.proxy, self.root);
        command
    }

    fn launch(&self) -> (String, String) {
        let outputs = &self.outputs;
        let cluster = outputs["cluster"]["value"].as_str().unwrap();
        let answer = self.call("AmazonEC2ContainerServiceV20141113.RunTask", &json!({
            "cluster": cluster, "launchType": "FARGATE",
            "taskDefinition": outputs["task_definitions"]["value"][TASK],
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": outputs["subnets"]["value"], "securityGroups": outputs["security_groups"]["value"], "assignPublicIp": "ENABLED",
            }},
        }));
        let arn = answer["tasks"][0]["taskArn"].as_str();
        (
            arn.unwrap_or_else(|| panic!("{answer}")).to_owned(),
            cluster.to_owned(),
        )
    }

    fn follow(&self, arn: &str, cluster: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.call(
                "AmazonEC2ContainerServiceV20141113.DescribeTasks",
                &json!({"cluster": cluster, "tasks": [arn]}),
            );
            let task = &answer["tasks"][0];
            if task["lastStatus"] == "STOPPED" {
                assert_eq!(task["containers"][0]["exitCode"], 0, "{task}");
                break;
            }
            assert!(Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let id = arn.rsplit('/').next().unwrap();
        let container = self.outputs["container_names"]["value"][TASK][0]
            .as_str()
            .unwrap();
        loop {
            let answer = self.call("Logs_20140328.GetLogEvents", &json!({
                "logGroupName": self.outputs["log_group"]["value"], "logStreamName": format!("{TASK}/{container}/{id}"), "startFromHead": true,
            }));
            if answer.to_string().contains("task finished") {
                return;
            }
            assert!(Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn call(&self, target: &str, body: &Value) -> Value {
        let service = if target.starts_with("Logs") {
            "logs"
        } else {
            "ecs"
        };
        let key = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("Authorization", key.as_str()),
            ("X-Amz-Target", target),
            ("Content-Type", "application/x-amz-json-1.1"),
        ];
        let answer = request(
            &self.proxy.endpoint,
            "POST",
            "/",
            &headers,
            &body.to_string(),
        );
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A request whose body is no text; the answer with its head.
fn request_raw(port: u16, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let keys = keys::of(&format!("http://127.0.0.1:{port}"));
    let login = keys.expect("the sandbox is known").login();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: {login}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
