//! EventBridge Scheduler: the schedules that start a task, and a one-off twin of one.

use serde_json::{Value, json};

use super::signed::{Signed, encoded};
use crate::interrupt::Interrupt;
use crate::rounds::PAGES;

pub struct Scheduler {
    signed: Signed,
}

/// A schedule as Scheduler has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub arn: String,
    pub name: String,
    pub group: String,
    pub expression: String,
    pub timezone: String,
    pub enabled: bool,
    /// Minutes; 0 when it fires on time.
    pub flexible_minutes: u64,
    pub target: Target,
}

/// The target as it came, and what we ask of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    raw: Value,
}

impl Target {
    pub fn cluster_arn(&self) -> &str {
        self.raw["Arn"].as_str().unwrap_or_default()
    }

    pub fn role_arn(&self) -> &str {
        self.raw["RoleArn"].as_str().unwrap_or_default()
    }

    /// The ARN of the family or revision; None when the target is no ECS task.
    pub fn task_definition(&self) -> Option<&str> {
        self.raw["EcsParameters"]["TaskDefinitionArn"].as_str()
    }

    pub fn dead_letters(&self) -> Option<&str> {
        self.raw["DeadLetterConfig"]["Arn"].as_str()
    }
}

impl Scheduler {
    pub fn new(signed: Signed) -> Self {
        Scheduler { signed }
    }

    /// All schedules whose names begin like this, in all groups, with their targets.
    pub async fn schedules(&self, prefix: &str) -> anyhow::Result<Vec<Schedule>> {
        let tried = format!("listing the schedules {prefix}…");
        let mut schedules = Vec::new();
        let mut next: Option<String> = None;
        let mut pages = PAGES.rounds(&Interrupt::never(), &tried);
        while pages.again().await? {
            let mut path = format!(
                "/schedules?MaxResults=100&NamePrefix={}",
                encoded(prefix, false)
            );
            if let Some(token) = &next {
                path.push_str(&format!("&NextToken={}", encoded(token, false)));
            }
            let page = self.get(&path, &tried).await?;
            for summary in page["Schedules"].as_array().into_iter().flatten() {
                let name = summary["Name"].as_str().unwrap_or_default();
                let group = summary["GroupName"].as_str().unwrap_or("default");
                let path = format!(
                    "/schedules/{}?groupName={}",
                    encoded(name, false),
                    encoded(group, false)
                );
                let tried = format!("looking up the schedule {name}");
                schedules.push(schedule(&self.get(&path, &tried).await?));
            }
            next = page["NextToken"].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(schedules);
            }
        }
        anyhow::bail!("{tried}: there are more than {} pages", PAGES.count())
    }

    /// Makes a schedule that fires once, at a UTC time `yyyy-mm-ddThh:mm:ss`, with the same target,
    /// and that Scheduler itself deletes after it fired. A start that fails is not tried again, so
    /// that the dead letter comes at once. Returns its ARN.
    pub async fn create_twin(&self, of: &Schedule, name: &str, at: &str) -> anyhow::Result<String> {
        let mut target = of.target.raw.clone();
        target["RetryPolicy"] =
            json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 });
        let body = json!({
            "GroupName": of.group,
            "ScheduleExpression": format!("at({at})"),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "State": "ENABLED",
            "ActionAfterCompletion": "DELETE",
            "Description": format!("Made by cargo xtask trigger: fires {} once", of.name),
            "Target": target,
        });
        let tried = format!("making the schedule {name}, a twin of {}", of.name);
        let answer = self
            .signed
            .send(
                "scheduler",
                "POST",
                &format!("/schedules/{name}"),
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
                &tried,
            )
            .await?
            .success(&tried)?
            .json(&tried)?;
        Ok(answer["ScheduleArn"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Deletes it; one that is gone already is fine.
    pub async fn delete(&self, name: &str, group: &str) -> anyhow::Result<()> {
        let tried = format!("deleting the schedule {name}");
        let path = format!("/schedules/{name}?groupName={}", encoded(group, false));
        let answer = self
            .signed
            .send("scheduler", "DELETE", &path, &[], &[], &tried)
            .await?;
        if answer.status == 404 {
            return Ok(());
        }
        answer.success(&tried).map(drop)
    }

    async fn get(&self, path: &str, tried: &str) -> anyhow::Result<Value> {
        self.signed
            .send("scheduler", "GET", path, &[], &[], tried)
            .await?
            .success(tried)?
            .json(tried)
    }
}

fn schedule(answer: &Value) -> Schedule {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    Schedule {
        arn: text("Arn"),
        name: text("Name"),
        group: text("GroupName"),
        expression: text("ScheduleExpression"),
        timezone: match text("ScheduleExpressionTimezone") {
            zone if zone.is_empty() => "UTC".to_owned(),
            zone => zone,
        },
        enabled: answer["State"] != "DISABLED",
        flexible_minutes: answer["FlexibleTimeWindow"]["MaximumWindowInMinutes"]
            .as_u64()
            .unwrap_or_default(),
        target: Target {
            raw: answer["Target"].clone(),
        },
    }
}
