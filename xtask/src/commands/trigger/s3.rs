//! `cargo xtask trigger s3 TASK --file F`: one object under a key that the rule takes.

use std::time::Duration;

use anyhow::Context as _;

use super::require_target;
use super::wait::{Awaited, clean_up, follow, seen, started};
use crate::cli::TriggerS3;
use crate::clients::aws::Aws;
use crate::clients::events::{Rule, RuleTarget};
use crate::clients::objects::Notifies;
use crate::failure::Problem;
use crate::names::did_you_mean;
use crate::session::Session;
use crate::ui::Step;
use crate::wiring::pattern::{self, Objects};
use crate::wiring::{Broken, Link, family_of};

const PATIENCE: Duration = Duration::from_secs(120);
const STARTED_BY_LENGTH: usize = 36;

pub async fn run(args: &TriggerS3, session: &Session) -> anyhow::Result<u8> {
    let body = std::fs::read(&args.file)
        .with_context(|| format!("reading the object from {}", args.file.display()))?;
    let aws = session.aws().await;
    let timer = session
        .reporter
        .started(Step::Check, format!("the S3 trigger of {}", args.task));
    let (rule, target) = find(session, args, aws).await?;
    let objects = pattern::read(&rule.pattern).ok_or_else(|| {
        broken(
            Link::Pattern,
            format!(
                "{} is not about the objects of a bucket: {}",
                rule.name, rule.pattern
            ),
            "the module s3_ecs_trigger writes one that is",
        )
    })?;
    let token = format!("xtask-{:06x}", fastrand::u32(..0x0100_0000));
    let file_name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let key = match &args.key {
        Some(key) => key.clone(),
        None => objects.key.key(&token, &file_name),
    };
    session.reporter.finished(
        &timer,
        format!(
            "{}: s3://{}/{}*{}",
            rule.name, objects.bucket, objects.key.prefix, objects.key.suffix
        ),
    );
    require_wiring(session, aws, &rule, &objects, &key, body.len()).await?;
    let definition = target.task_definition.clone().unwrap_or_default();
    let cluster = require_target(&aws.ecs(), &target.arn, &definition).await?;

    let family = family_of(&definition);
    let before = seen(&aws.ecs(), &cluster, family).await?;
    let timer = session.reporter.started(
        Step::Launch,
        format!("{} as s3://{}/{key}", args.file.display(), objects.bucket),
    );
    let store = aws.objects();
    let version = store.put(&objects.bucket, &key, &body).await?;
    let awaited = Awaited {
        task: args.task.as_str(),
        cluster: &cluster,
        family,
        source_arn: &rule.arn,
        role_arn: &target.role_arn,
        dead_letters: target.dead_letters.as_deref(),
        patience: PATIENCE,
    };
    let started_by: String = format!("events-rule/{}", rule.name)
        .chars()
        .take(STARTED_BY_LENGTH)
        .collect();
    let outcome = async {
        let task = started(
            session,
            &awaited,
            |task| {
                // Another object may have arrived at the same moment: ours has its key in the command,
                // unless the target passes no command at all.
                let ours =
                    task.command_overrides.contains(&key) || task.command_overrides.is_empty();
                let new = !before.contains(&task.arn);
                new && ours && task.started_by.as_deref() == Some(started_by.as_str())
            },
            |letter| letter.contains(&key),
        )
        .await?;
        session
            .reporter
            .finished(&timer, format!("EventBridge started {}", task.id()));
        follow(session, &awaited, task).await
    }
    .await;
    let deleted = store
        .delete(&objects.bucket, &key, version.as_deref())
        .await;
    if deleted.is_ok() {
        session
            .reporter
            .detail(Step::Task, format!("deleted s3://{}/{key}", objects.bucket));
    }
    clean_up(session, deleted);
    outcome
}

/// The rule that starts the task, and its target that does.
async fn find(
    session: &Session,
    args: &TriggerS3,
    aws: &Aws,
) -> anyhow::Result<(Rule, RuleTarget)> {
    let service = session.settings.service();
    let family = format!("{service}-{}", args.task);
    let rules = aws.events().rules(&format!("{service}-")).await?;
    let starts = |target: &RuleTarget| {
        let definition = target.task_definition.as_deref();
        definition.is_some_and(|definition| family_of(definition) == family)
    };
    let mut found: Vec<(Rule, RuleTarget)> = Vec::new();
    for rule in &rules {
        if let Some(target) = rule.targets.iter().find(|target| starts(target)) {
            found.push((rule.clone(), target.clone()));
        }
    }
    let names: Vec<&str> = rules
        .iter()
        .filter(|rule| rule.targets.iter().any(starts))
        .map(|rule| rule.name.as_str())
        .collect();
    if let Some(wanted) = &args.name {
        found.retain(|(rule, _)| rule.name == *wanted);
    }
    if found.len() > 1 {
        return Err(Problem::usage(
            format!("several rules start {}: {}", args.task, names.join(", ")),
            "choose one: --name NAME",
        )
        .into());
    }
    if let Some(only) = found.pop() {
        return Ok(only);
    }
    if let (Some(wanted), false) = (&args.name, names.is_empty()) {
        return Err(Problem::usage(
            format!("no rule {wanted} starts {}", args.task),
            did_you_mean(wanted, &names),
        )
        .into());
    }
    // The module names a rule like the task's family, so that a rule of this name is meant for it.
    Err(match rules.iter().find(|rule| rule.name == family) {
        Some(rule) => broken(
            Link::Target,
            format!("the rule {} has no target that starts {family}", rule.name),
            "deploy again: the module s3_ecs_trigger makes the target",
        ),
        None => broken(
            Link::Rule,
            format!("no rule in {} starts {}", session.settings.environment.name, args.task),
            "write a trigger in s3_subscriptions.tf and deploy it; `cargo xtask tasks` shows what is written",
        ),
    }
    .into())
}

/// What can be known before an object is put anywhere.
async fn require_wiring(
    session: &Session,
    aws: &Aws,
    rule: &Rule,
    objects: &Objects,
    key: &str,
    size: usize,
) -> anyhow::Result<()> {
    if !rule.enabled {
        return Err(broken(
            Link::Rule,
            format!("{} is disabled", rule.name),
            "set is_enabled of its module, and deploy",
        )
        .into());
    }
    let bucket = &objects.bucket;
    match aws.objects().notifies(bucket).await? {
        Notifies::EventBridge => {}
        Notifies::NoSuchBucket => {
            return Err(broken(
                Link::Bucket,
                format!(
                    "{} is about the bucket {bucket}, which does not exist",
                    rule.name
                ),
                "mend `bucket` of its module, and deploy",
            )
            .into());
        }
        Notifies::Nobody => {
            return Err(broken(
                Link::Bucket,
                format!("the bucket {bucket} does not tell EventBridge of new objects"),
                "it needs an aws_s3_bucket_notification with eventbridge = true",
            )
            .into());
        }
    }
    let environment = &session.settings.environment;
    let event = pattern::object_created(
        &environment.aws_account_id,
        &environment.region,
        bucket,
        key,
        size,
    );
    if aws.events().takes(&rule.pattern, &event).await? {
        return Ok(());
    }
    Err(broken(
        Link::Pattern,
        format!(
            "EventBridge says that the pattern of {} does not take a new object s3://{bucket}/{key}: {}",
            rule.name, rule.pattern
        ),
        "mend prefix and suffix of its module and deploy, or choose another key: --key KEY",
    )
    .into())
}

fn broken(link: Link, evidence: String, fix: &str) -> Problem {
    Problem::from(Broken {
        link,
        evidence,
        fix: fix.to_owned(),
    })
}
