//! What people share, past the tool: the record of a hold, the auto-deploy's workflow on GitHub, what
//! is deployed.

use serde_json::Value;

use super::http::request;
use super::{Checkout, Ended, Gate, Invocation, Shared, as_if_real};

const BUCKET: &str = "/api-terraform-state-000000000000";
const WORKFLOWS: &str = "/_github/repos/example-org/background-tasks/actions/workflows";
const TOKEN: [(&str, &str); 1] = [("Authorization", "Bearer x")];

impl Shared {
    /// Runs a command as this person, in the sandbox.
    pub fn by(&self, author: &str, args: &[&str]) -> Ended {
        self.invocation(author, args).run()
    }

    pub fn invocation(&self, author: &str, args: &[&str]) -> Invocation {
        self.invocation_with(args, &["--sandbox", "--author", author])
    }

    /// With more flags, which go before the task's own arguments.
    fn invocation_with(&self, args: &[&str], flags: &[&str]) -> Invocation {
        let own = args.iter().position(|arg| *arg == "--");
        let (ours, own) = args.split_at(own.unwrap_or(args.len()));
        self.checkout.xtask([ours, flags, own].concat())
    }

    /// A command that asks for no author.
    pub fn by_nobody(&self, args: &[&str]) -> Ended {
        self.invocation_with(args, &["--sandbox"]).run()
    }

    /// The same without `--sandbox`, by way of a gate: Terraform's state is in the sandbox's bucket.
    pub fn through(&self, gate: &Gate, author: &str, args: &[&str]) -> Invocation {
        let invocation = self.invocation_with(args, &["--author", author]);
        real(invocation, &gate.endpoint)
    }

    /// The same from another clone.
    pub fn from(&self, clone: &Checkout, author: &str, args: &[&str]) -> Invocation {
        let invocation = clone.xtask([args, &["--author", author]].concat());
        real(invocation, &self.endpoint)
    }

    /// Without `--sandbox`, a command that asks for no author.
    pub fn really(&self, args: &[&str]) -> Invocation {
        real(self.invocation_with(args, &[]), &self.endpoint)
    }

    /// From another clone, a command that asks for no author.
    pub fn really_from(&self, clone: &Checkout, args: &[&str]) -> Invocation {
        real(clone.xtask(args), &self.endpoint)
    }

    /// By way of a gate, but a run of CI is nobody's.
    pub fn through_as_ci(&self, gate: &Gate, args: &[&str]) -> Invocation {
        real(self.invocation_with(args, &[]), &gate.endpoint)
    }

    /// The record of who holds `test`.
    pub fn hold(&self) -> Option<Value> {
        let path = format!("{BUCKET}/holds/test.json");
        let answer = request(&self.endpoint, "GET", &path, &[], "");
        match answer.status {
            404 => None,
            200 => Some(serde_json::from_str(&answer.body).unwrap()),
            status => panic!("{status}: {}", answer.body),
        }
    }

    pub fn put_hold(&self, body: &str) {
        let path = format!("{BUCKET}/holds/test.json");
        let answer = request(&self.endpoint, "PUT", &path, &[], body);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Lets go of it and leaves what is deployed.
    pub fn let_go(&self, author: &str) {
        self.by(author, &["release", "--restore", "none"])
            .expect_code(0);
    }

    /// A commit that is another one to deploy, with an image that need not be built; [`Shared::uncommit`]
    /// takes it back.
    pub fn commit_infra(&self) -> String {
        let text = "# Another commit, and nothing else.\n";
        self.checkout
            .write("infra/ecs-tasks/template/note.tf", text);
        self.checkout.commit("another commit")
    }

    pub fn uncommit(&self) {
        self.checkout.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    }

    /// The outputs in the state of an environment.
    pub fn deployed(&self, environment: &str) -> Value {
        let path = format!("{BUCKET}/ecs-tasks/{environment}.tfstate");
        let answer = request(&self.endpoint, "GET", &path, &[], "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let state: Value = serde_json::from_str(&answer.body).unwrap();
        state["outputs"].clone()
    }

    pub fn deployed_tag(&self) -> String {
        let tag = &self.deployed("test")["service_docker_tag"]["value"];
        tag.as_str().unwrap().to_owned()
    }

    /// The state of the auto-deploy's workflow.
    pub fn workflow(&self) -> String {
        let path = format!("{WORKFLOWS}/api-auto-deploy.yml");
        let answer = request(&self.endpoint, "GET", &path, &TOKEN, "");
        let workflow: Value = serde_json::from_str(&answer.body).unwrap();
        workflow["state"].as_str().unwrap().to_owned()
    }

    /// `enable` or `disable`, by somebody else.
    pub fn set_workflow(&self, verb: &str) {
        let path = format!("{WORKFLOWS}/api-auto-deploy.yml/{verb}");
        let answer = request(&self.endpoint, "PUT", &path, &TOKEN, "");
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// The GitHub stand-in's own switches; see the head of its github.py.
    pub fn github(&self, what: &str, body: &str) -> Value {
        let path = format!("/_github/_control/{what}");
        let answer = request(&self.endpoint, "POST", &path, &[], body);
        assert!(answer.status < 300, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}

fn real(invocation: Invocation, endpoint: &str) -> Invocation {
    as_if_real(invocation, endpoint).env(
        "TF_CLI_ARGS_init",
        format!("-backend-config=bucket={}", &BUCKET[1..]),
    )
}
