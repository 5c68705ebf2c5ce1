//! The image without Docker in a registry that others wrote, Debian's `docker-registry`, and looked at
//! with `skopeo`, which checks every digest of what it copies.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regex_lite::Regex;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{At, Checkout, Gate, aws, base, which};

/// Less than the layer with the binary has, and more than anything else that is pushed.
const HALF_WAY: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn another_registry_takes_the_image_and_gives_it_back_whole() {
    let checkout = Checkout::named("registry");
    let publish = || checkout.xtask(["build-and-publish", "--sandbox"]);
    // First into the sandbox's own registry: it compiles, and both have to name the same digest.
    let ended = publish().run().expect_code(0);
    let (_, digest) = ended.stdout.trim().rsplit_once('@').unwrap();

    let registry = DockerRegistry::start();
    let gate = Gate::before(
        &format!("http://localhost:{}", registry.port),
        At::Inside(HALF_WAY),
        |head| head.starts_with("put /v2/api/blobs/uploads/"),
    );
    // Which image has which tag is asked of the sandbox's ECR, which never learns of this registry's.
    let host = gate.endpoint.replace("http://127.0.0.1", "localhost");
    checkout
        .xtask(["sandbox", "reset"])
        .env("SANDBOX_REGISTRY", &host)
        .run()
        .expect_code(0);

    // Killed in the middle of the largest upload, when the small ones are done.
    let cut_off = publish().spawn();
    cut_off.wait_for(&format!("to {host}"));
    gate.wait();
    registry.wait_until(|log| log.iter().filter(|seen| seen.is_upload()).count() == 2);
    cut_off.signal(Signal::KILL);
    gate.cut();
    assert_eq!(cut_off.end().code, 137);
    let requests = registry.log();
    assert!(
        !requests
            .iter()
            .any(|seen| seen.path.contains("/manifests/"))
    );

    let ended = publish()
        .run()
        .expect_code(0)
        .expect_stderr(", 1 blob uploaded (");
    let (reference, named) = ended.stdout.trim().rsplit_once('@').unwrap();
    let (repository, tag) = reference.rsplit_once(':').unwrap();
    assert_eq!(
        (repository, named),
        (format!("{host}/api").as_str(), digest)
    );
    let direct = format!("localhost:{}/api", registry.port);
    let image = Image::check(
        &format!("{direct}:{tag}"),
        &format!("{direct}@{digest}"),
        digest,
    );

    // Each blob went up once, as one request, over both calls together.
    let requests = registry.log();
    let mut uploads: BTreeMap<&str, usize> = BTreeMap::new();
    for seen in requests.iter().filter(|seen| seen.is_upload()) {
        *uploads.entry(seen.uploaded()).or_default() += 1;
    }
    let expected = image.blobs.iter().map(|blob| (blob.as_str(), 1)).collect();
    assert_eq!(uploads, expected);
    assert_eq!(uploads.len(), 3);
    assert!(!requests.iter().any(|seen| seen.method == "PATCH"));

    // The same again is asked for, blob by blob, and not sent.
    let before = requests.len();
    let again = publish()
        .run()
        .expect_code(0)
        .expect_stderr(", 0 blobs uploaded (0.0 MB)");
    assert_eq!(again.stdout, ended.stdout);
    let requests = &registry.log()[before..];
    let heads: Vec<&Seen> = requests
        .iter()
        .filter(|seen| seen.method == "HEAD")
        .collect();
    assert_eq!(heads.len(), 3, "{requests:?}");
    assert!(heads.iter().all(|seen| seen.status == 200), "{requests:?}");
    for seen in requests.iter().filter(|seen| seen.method != "HEAD") {
        let is_tag = seen.method == "PUT" && seen.path.starts_with("/v2/api/manifests/");
        assert!(is_tag, "{seen:?}");
    }

    mounts_what_another_repository_has(&checkout, &registry, digest);
}

/// Layers come from the other repository; the config is uploaded.
fn mounts_what_another_repository_has(
    checkout: &Checkout,
    registry: &DockerRegistry,
    digest: &str,
) {
    aws(
        &checkout.endpoint(),
        "AmazonEC2ContainerRegistry_V20150921.CreateRepository",
        &json!({ "repositoryName": "mounted" }),
    );
    let before = registry.log().len();
    let ended = checkout
        .xtask(["build-and-publish", "--sandbox"])
        .env("XTASK_ECR_REPOSITORY", "mounted")
        .env("XTASK_MOUNT_FROM", "api")
        .run()
        .expect_code(0)
        .expect_stderr(", 1 blob uploaded (0.0 MB)");
    assert!(ended.stdout.trim().ends_with(digest), "{}", ended.stdout);
    let requests = &registry.log()[before..];
    let mounts = requests.iter().filter(|seen| {
        seen.method == "POST" && seen.path.contains("from=api") && seen.status == 201
    });
    assert_eq!(mounts.count(), 2, "{requests:?}");
    let mounted = format!("localhost:{}/mounted@{digest}", registry.port);
    copy(&mounted, "dir", "mounted");
}

/// The image as skopeo finds it.
struct Image {
    /// The digests of its config and its layers.
    blobs: Vec<String>,
}

impl Image {
    /// The manifest under the tag has the digest, the image is what it is meant to be, and whole.
    #[track_caller]
    fn check(by_tag: &str, by_digest: &str, digest: &str) -> Image {
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &docker(by_tag)]);
        let file = base().join("registry-manifest.json");
        std::fs::write(&file, &raw).unwrap();
        let said = skopeo(&["manifest-digest", file.to_str().unwrap()]);
        assert_eq!(said.trim(), digest);

        let inspected = skopeo(&[
            "inspect",
            "--config",
            "--tls-verify=false",
            &docker(by_digest),
        ]);
        let config: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(config["os"], "linux");
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(config["config"]["Entrypoint"], json!(["/api"]));
        assert_eq!(config["config"]["User"], "65532:65532");

        let manifest: Value = serde_json::from_str(&raw).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let blobs: Vec<String> = std::iter::once(&manifest["config"])
            .chain(layers)
            .map(|blob| blob["digest"].as_str().unwrap().to_owned())
            .collect();

        let folder = copy(by_digest, "dir", "copied");
        assert_eq!(
            std::fs::read_to_string(folder.join("manifest.json")).unwrap(),
            raw
        );
        for blob in &blobs {
            let name = blob.strip_prefix("sha256:").unwrap();
            assert!(
                folder.join(name).is_file(),
                "{name} in {}",
                folder.display()
            );
        }
        // It is an OCI image already: nothing is converted on the way into a layout of that kind.
        let layout = copy(by_digest, "oci", "layout");
        let index = std::fs::read_to_string(layout.join("index.json")).unwrap();
        let index: Value = serde_json::from_str(&index).unwrap();
        assert_eq!(index["manifests"][0]["digest"], digest);
        Image { blobs }
    }
}

fn docker(reference: &str) -> String {
    format!("docker://{reference}")
}

/// Copies an image into a folder; skopeo fails when a digest does not fit its bytes.
#[track_caller]
fn copy(reference: &str, transport: &str, name: &str) -> PathBuf {
    let folder = base().join(format!("registry-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    let to = format!("{transport}:{}", folder.display());
    let from = docker(reference);
    skopeo(&["copy", "--quiet", "--src-tls-verify=false", &from, &to]);
    folder
}

#[track_caller]
fn skopeo(args: &[&str]) -> String {
    // The machine's policy of signatures is about other images.
    let output = Command::new(which("skopeo"))
        .arg("--insecure-policy")
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A registry of our own on this machine, empty at its start; it ends with this value.
struct DockerRegistry {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl DockerRegistry {
    fn start() -> DockerRegistry {
        let program = which("docker-registry");
        let folder = base().join("docker-registry");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = folder.join("config.json");
        // JSON is YAML, too.
        let settings = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": false } },
            "storage": { "filesystem": { "rootdirectory": folder.join("storage") } },
            "http": { "addr": format!("127.0.0.1:{port}") },
        });
        std::fs::write(&config, settings.to_string()).unwrap();
        let log = folder.join("access.log");
        let process = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(folder.join("errors.log")).unwrap())
            .spawn()
            .unwrap();
        let registry = DockerRegistry { process, port, log };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let errors = read(&folder.join("errors.log"));
            assert!(Instant::now() < deadline, "docker-registry: {errors}");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Every request that it has answered.
    fn log(&self) -> Vec<Seen> {
        let line = Regex::new(r#""([A-Z]+) (\S+) HTTP/1\.1" (\d{3}) "#).unwrap();
        let text = read(&self.log);
        let seen = text.lines().map(|text| {
            let found = line.captures(text);
            let found = found.unwrap_or_else(|| panic!("no line of an access log: {text}"));
            Seen {
                method: found[1].to_owned(),
                path: found[2].to_owned(),
                status: found[3].parse().unwrap(),
            }
        });
        seen.collect()
    }

    #[track_caller]
    fn wait_until(&self, is_so: impl Fn(&[Seen]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.log()) {
            assert!(Instant::now() < deadline, "{:?}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One answered request.
#[derive(Debug)]
struct Seen {
    method: String,
    path: String,
    status: u16,
}

impl Seen {
    /// A blob that was sent and taken.
    fn is_upload(&self) -> bool {
        self.method == "PUT" && self.path.contains("/blobs/uploads/") && self.status == 201
    }

    /// The digest of the blob that went up.
    fn uploaded(&self) -> &str {
        let (_, digest) = self.path.rsplit_once("digest=").unwrap();
        digest
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}
