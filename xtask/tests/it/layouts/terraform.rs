//! Terraform reads files outside of its own folder, or its folder is called otherwise.

use super::edits::{
    Restored, TASK, clone_of, layout, lines_of, nonce, published, replace, task_that_logs,
};
use crate::harness::{Checkout, Ended, Shared};

const TASKS: &str = "infra/ecs-tasks/template/tasks.tf";

/// The task's `env` in tasks.tf, and the same variables in its log.
fn with_env(checkout: &Checkout, tasks: &str, env: &[(&str, &str)]) {
    let entries: String = env
        .iter()
        .map(|(name, value)| format!("        {{ name = {name:?}, value = {value} }},\n"))
        .collect();
    // The first task there is the one that all rows run.
    let text = checkout.read(tasks);
    let with = text.replacen("env     = []", &format!("env = [\n{entries}      ]"), 1);
    assert_ne!(text, with);
    checkout.write(tasks, &with);
    let names: Vec<&str> = env.iter().map(|(name, _)| *name).collect();
    let said = format!("{names:?}.map(|name| std::env::var(name).unwrap_or_default()).join(\" \")");
    checkout.write(&format!("api/{TASK}"), &task_that_logs(&said));
}

fn tried(shared: &Shared, checkout: &Checkout) -> Ended {
    let args = ["try", "my-new-task-name", "--yes", "--raw"];
    shared.from(checkout, "jo", &args).run()
}

/// It was planned, and the value is in the task's environment.
#[track_caller]
fn arrives(ended: Ended, value: &str) {
    let ended = ended.expect_code(0).expect_stdout(value);
    let planned = ended.stderr.contains("✓ plan") && !ended.stderr.contains("– plan");
    assert!(planned, "{}", ended.stderr);
}

#[track_caller]
fn is_skipped(ended: Ended, value: &str) {
    let ended = ended.expect_code(0).expect_stdout(value);
    let skipped = ended.stderr.contains("– plan") && !ended.stderr.contains("✓ plan");
    assert!(skipped, "{}", ended.stderr);
}

/// What the task's environment is made of, each by a text of its own.
const INPUTS: [fn(&Checkout, &str); 5] = [
    |checkout, text| checkout.write("config/banner.txt", text),
    |checkout, text| checkout.write("config/greeting.tftpl", &format!("{text} ${{who}}\n")),
    |checkout, text| checkout.write(&format!("config/parts/{text}.txt"), ""),
    |checkout, text| {
        let output = format!(
            "output \"text\" {{\n  value = \"{text} ${{trimspace(file(\"${{path.module}}/text.txt\"))}}\"\n}}\n"
        );
        checkout.write("terraform-modules/banner/main.tf", &output);
    },
    |checkout, text| checkout.write("terraform-modules/banner/text.txt", text),
];

fn that_reads_elsewhere() -> Checkout {
    let checkout = layout().with_state_in_the_sandbox();
    for input in INPUTS {
        input(&checkout, "first");
    }
    let config = "${path.module}/../../../config";
    let env = [
        ("BANNER", format!("file(\"{config}/banner.txt\")")),
        (
            "GREETING",
            format!("templatefile(\"{config}/greeting.tftpl\", {{ who = \"you\" }})"),
        ),
        (
            "PARTS",
            format!("join(\" \", fileset(\"{config}/parts\", \"*.txt\"))"),
        ),
        ("MODULE", "module.banner.text".to_owned()),
    ];
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    with_env(&checkout, TASKS, &env);
    checkout.write(
        "infra/ecs-tasks/template/banner.tf",
        "module \"banner\" {\n  source = \"../../../terraform-modules/banner\"\n}\n",
    );
    checkout.commit("Terraform reads what is elsewhere");
    checkout
}

#[test]
fn what_terraform_reads_elsewhere_is_planned() {
    let (shared, _alone) = Shared::alone();
    let _restored = Restored(shared);
    let checkout = that_reads_elsewhere();
    arrives(tried(shared, &checkout), "first you");
    is_skipped(tried(shared, &checkout), "first you");
    for input in INPUTS {
        let text = nonce();
        input(&checkout, &text);
        arrives(tried(shared, &checkout), &text);
    }
    let all_arrive = |checkout: &Checkout| {
        let texts = INPUTS.map(|input| {
            let text = nonce();
            input(checkout, &text);
            text
        });
        checkout.commit("other values");
        let ended = tried(shared, checkout);
        let ended = texts
            .iter()
            .fold(ended, |ended, text| ended.expect_stdout(text));
        arrives(ended, &texts[0]);
        texts[0].clone()
    };
    let last = all_arrive(&checkout);
    is_skipped(tried(shared, &checkout), &last);

    let theirs = clone_of(&checkout);
    arrives(tried(shared, &theirs), &last);
    is_skipped(tried(shared, &theirs), &last);
    all_arrive(&theirs);

    // What an apply would read is no commit's.
    published(shared, &theirs, &[]).expect_code(0);
    let deploy = ["deploy-test", "--yes"];
    INPUTS[0](&theirs, &nonce());
    shared
        .from(&theirs, "jo", &deploy)
        .run()
        .expect_code(126)
        .expect_stderr("config/banner.txt");
}

/// Which files these are only Terraform can tell.
#[test]
fn what_terraform_may_read_is_planned() {
    let (shared, _alone) = Shared::alone();
    let _restored = Restored(shared);
    let checkout = layout().with_state_in_the_sandbox();
    let env = [
        ("BANNER", "file(\"${local.config}/banner.txt\")"),
        (
            "PARTS",
            "join(\" \", [for part in fileset(local.config, \"parts/*\") : file(\"${local.config}/${part}\")])",
        ),
    ];
    with_env(&checkout, TASKS, &env);
    checkout.write(
        "infra/ecs-tasks/template/config.tf",
        "locals {\n  config = join(\"/\", [path.module, \"..\", \"..\", \"..\", \"config\"])\n}\n",
    );
    let files = ["config/banner.txt", "config/parts/one.txt"];
    for file in files {
        checkout.write(file, "first");
    }
    checkout.commit("Terraform finds out what it reads");
    arrives(tried(shared, &checkout), "first first");
    for file in files {
        let text = nonce();
        checkout.write(file, &text);
        arrives(tried(shared, &checkout), &text);
    }
    let text = nonce();
    checkout.write(files[0], &text);
    checkout.commit("another value");
    arrives(tried(shared, &checkout), &text);
}

const RENAMED: &str = "terraform/ecs-tasks/template/tasks.tf";

fn with_infra_renamed() -> Checkout {
    let checkout = layout().with_state_in_the_sandbox();
    let renamed = checkout.root.join("terraform");
    std::fs::rename(checkout.root.join("infra"), renamed).unwrap();
    let root = "terraform_root = \"";
    replace(
        &checkout,
        "Cargo.toml",
        &format!("{root}infra/"),
        &format!("{root}terraform/"),
    );
    let settings = "[workspace.metadata.xtask]\n";
    replace(
        &checkout,
        "Cargo.toml",
        settings,
        &format!("{settings}tasks_file = {RENAMED:?}\n"),
    );
    with_env(&checkout, RENAMED, &[("BANNER", "\"first\"")]);
    checkout.commit("Terraform is elsewhere");
    checkout
}

/// Another value of the task's variable.
fn edit_renamed(checkout: &Checkout) -> String {
    let text = nonce();
    let tasks = checkout.read(RENAMED);
    let (before, after) = tasks.split_once("name = \"BANNER\", value = \"").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    let edited = format!("{before}name = \"BANNER\", value = \"{text}\"{after}");
    checkout.write(RENAMED, &edited);
    text
}

#[test]
fn terraform_in_a_folder_of_another_name() {
    let (shared, _alone) = Shared::alone();
    let _restored = Restored(shared);
    let checkout = with_infra_renamed();
    let jo = |checkout: &Checkout, args: &[&str]| shared.from(checkout, "jo", args).run();
    let deploy = ["deploy-test", "--yes"];
    let deploys = |checkout: &Checkout| {
        let text = edit_renamed(checkout);
        checkout.commit("another value");
        published(shared, checkout, &[]).expect_code(0);
        jo(checkout, &deploy).expect_code(0);
        jo(checkout, &["run", "my-new-task-name"])
            .expect_code(0)
            .expect_stdout(&text);
    };
    let is_refused = |checkout: &Checkout| {
        let text = edit_renamed(checkout);
        jo(checkout, &deploy)
            .expect_code(126)
            .expect_stderr(RENAMED);
        text
    };
    deploys(&checkout);
    let text = is_refused(&checkout);
    let ended = tried(shared, &checkout);
    let warned = lines_of(&ended.stderr, RENAMED);
    assert!(
        warned.contains("uncommitted") && warned.contains("Terraform"),
        "{}",
        ended.stderr
    );
    arrives(ended, &text);
    deploys(&checkout);

    let theirs = clone_of(&checkout);
    is_refused(&theirs);
    deploys(&theirs);

    for hide in ["--skip-worktree", "--assume-unchanged"] {
        checkout.git(["update-index", hide, RENAMED]);
        is_refused(&checkout);
        assert_eq!(checkout.git(["status", "--porcelain"]), "");
        let show = hide.replacen("--", "--no-", 1);
        checkout.git(["update-index", &show, RENAMED]);
        checkout.git(["checkout", "--quiet", "--", RENAMED]);
    }
    // A file that git does not know yet is read as well.
    let new = "terraform/ecs-tasks/template/new.tf";
    checkout.write(new, "locals {\n  new = 1\n}\n");
    jo(&checkout, &deploy).expect_code(126).expect_stderr(new);
}
