//! The classic chain: its script, its Dockerfile and the image that it compiles in are in `classic/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::harness::Checkout;
use crate::harness::proxy::Proxy;
use crate::{TASK, clean, succeed};

pub struct Classic<'a> {
    pub proxy: &'a Proxy,
    pub root: &'a Path,
    /// The image that it compiles in.
    pub builder: &'a str,
    pub triple: &'a str,
}

impl Classic<'_> {
    /// One loop by hand: its steps, in seconds.
    pub fn run(&self, tag: &str) -> Vec<(String, f64)> {
        let steps = self.root.join("target/steps");
        std::fs::create_dir_all(self.root.join("target")).unwrap();
        let _ = std::fs::remove_file(&steps);
        let mut command = Command::new(file("loop.sh"));
        clean(&mut command, self.proxy, self.root);
        command
            .env("TAG", tag)
            .env("REPOSITORY", format!("localhost:{}/api", self.proxy.port))
            .env("ROOT", self.root)
            .env("BUILDER", self.builder)
            .env("STEPS", &steps)
            .env("TASK", TASK)
            .env("TRIPLE", self.triple)
            .env("AWS_DEFAULT_REGION", "us-east-1");
        let said = succeed(&mut command);
        assert!(said.contains("task finished"), "{said}");
        let text = std::fs::read_to_string(steps).unwrap();
        let times: Vec<(String, f64)> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, time)| (name.to_owned(), time.parse().unwrap()))
            .collect();
        times
            .windows(2)
            .map(|pair| (pair[1].0.clone(), pair[1].1 - pair[0].1))
            .collect()
    }

    /// What its compile would take outside of Docker, in seconds. It is no part of the chain: it tells
    /// what the image's storage adds.
    pub fn compile_outside(&self) -> f64 {
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        clean(&mut cargo, self.proxy, self.root);
        cargo.args(["build", "--quiet", "--locked", "--release"]);
        cargo.args(["--package", "api", "--bin", "api", "--target", self.triple]);
        let begun = Instant::now();
        succeed(&mut cargo);
        begun.elapsed().as_secs_f64()
    }
}

/// Puts what the Docker context has beside the sources into the checkout, and returns the image to
/// compile in.
pub fn prepare(checkout: &Checkout, triple: &str) -> String {
    checkout.write(".dockerignore", ".git\n**/target\n.terraform\n");
    checkout.write("rootfs/etc/passwd", "app:x:65532:65532::/:/\n");
    if let Ok(bundle) = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt") {
        checkout.write("rootfs/etc/ssl/certs/ca-certificates.crt", &bundle);
    }
    checkout.commit("the context of its image");
    succeed(
        Command::new(file("builder.sh"))
            .env("ROOT", &checkout.root)
            .env("TRIPLE", triple),
    )
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/loop/classic")
        .join(name)
}
