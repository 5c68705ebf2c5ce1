//! EventBridge: the rules that start tasks, their patterns, and dead letters in SQS.

use serde_json::{Value, json};

use super::signed::Signed;
use crate::interrupt::Interrupt;
use crate::rounds::PAGES;

pub struct Events {
    signed: Signed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub arn: String,
    pub name: String,
    pub enabled: bool,
    /// The pattern as it is written; empty for a rule with a schedule.
    pub pattern: String,
    pub targets: Vec<RuleTarget>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTarget {
    pub arn: String,
    pub role_arn: String,
    /// None when the target is no ECS task.
    pub task_definition: Option<String>,
    pub dead_letters: Option<String>,
}

/// What could not be started, and why AWS says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The ARN of the rule or schedule.
    pub source: String,
    pub code: String,
    pub message: String,
    pub body: String,
}

impl Events {
    pub fn new(signed: Signed) -> Self {
        Events { signed }
    }

    /// All rules whose names begin like this, with their targets.
    pub async fn rules(&self, prefix: &str) -> anyhow::Result<Vec<Rule>> {
        let tried = format!("listing the EventBridge rules {prefix}…");
        let mut rules = Vec::new();
        let mut next = Value::Null;
        let mut pages = PAGES.rounds(&Interrupt::never(), &tried);
        while pages.again().await? {
            let mut body = json!({ "NamePrefix": prefix });
            if !next.is_null() {
                body["NextToken"] = next;
            }
            let page = self
                .signed
                .json("events", "AWSEvents.ListRules", &body, &tried)
                .await?;
            for rule in page["Rules"].as_array().into_iter().flatten() {
                let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
                rules.push(Rule {
                    arn: text("Arn"),
                    enabled: rule["State"] == "ENABLED",
                    pattern: text("EventPattern"),
                    targets: self.targets(&text("Name")).await?,
                    name: text("Name"),
                });
            }
            next = page["NextToken"].clone();
            if next.is_null() {
                return Ok(rules);
            }
        }
        anyhow::bail!("{tried}: there are more than {} pages", PAGES.count())
    }

    async fn targets(&self, rule: &str) -> anyhow::Result<Vec<RuleTarget>> {
        let tried = format!("listing the targets of the rule {rule}");
        let body = json!({ "Rule": rule });
        let answer = self
            .signed
            .json("events", "AWSEvents.ListTargetsByRule", &body, &tried)
            .await?;
        let targets = answer["Targets"].as_array().into_iter().flatten();
        Ok(targets
            .map(|target| RuleTarget {
                arn: target["Arn"].as_str().unwrap_or_default().to_owned(),
                role_arn: target["RoleArn"].as_str().unwrap_or_default().to_owned(),
                task_definition: target["EcsParameters"]["TaskDefinitionArn"]
                    .as_str()
                    .map(str::to_owned),
                dead_letters: target["DeadLetterConfig"]["Arn"]
                    .as_str()
                    .map(str::to_owned),
            })
            .collect())
    }

    /// Whether EventBridge itself says that the pattern takes the event.
    pub async fn takes(&self, pattern: &str, event: &Value) -> anyhow::Result<bool> {
        let tried = "asking EventBridge whether the rule's pattern takes such an object";
        let body = json!({ "EventPattern": pattern, "Event": event.to_string() });
        let answer = self
            .signed
            .json("events", "AWSEvents.TestEventPattern", &body, tried)
            .await?;
        Ok(answer["Result"] == true)
    }

    /// The letters of one rule or schedule that are visible in a queue now; others stay as they are.
    /// What is returned is deleted from the queue.
    pub async fn take_dead_letters(
        &self,
        queue_arn: &str,
        source_arn: &str,
        is_ours: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<DeadLetter>> {
        let parts: Vec<&str> = queue_arn.split(':').collect();
        let [.., account, queue] = parts.as_slice() else {
            anyhow::bail!("`{queue_arn}` is not the ARN of a queue");
        };
        let tried = format!("reading the dead letters in {queue}");
        let body = json!({ "QueueName": queue, "QueueOwnerAWSAccountId": account });
        let url = self
            .signed
            .json("sqs", "AmazonSQS.GetQueueUrl", &body, &tried)
            .await?["QueueUrl"]
            .clone();
        // Hidden from others for a second only: they are not ours to keep.
        let body = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": 1,
            "MessageAttributeNames": ["All"],
        });
        let answer = self
            .signed
            .json("sqs", "AmazonSQS.ReceiveMessage", &body, &tried)
            .await?;
        let mut letters = Vec::new();
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let letter = dead_letter(message);
            if letter.source != source_arn || !is_ours(&letter.body) {
                continue;
            }
            let body = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            self.signed
                .json("sqs", "AmazonSQS.DeleteMessage", &body, &tried)
                .await?;
            letters.push(letter);
        }
        Ok(letters)
    }

    /// Makes the queue when it is not there.
    pub async fn create_queue(&self, name: &str) -> anyhow::Result<()> {
        let tried = format!("making the queue {name}");
        let body = json!({ "QueueName": name });
        self.signed
            .json("sqs", "AmazonSQS.CreateQueue", &body, &tried)
            .await
            .map(drop)
    }
}

fn dead_letter(message: &Value) -> DeadLetter {
    let attribute = |name: &str| {
        let value = &message["MessageAttributes"][name]["StringValue"];
        value.as_str().unwrap_or_default().to_owned()
    };
    let source = match attribute("RULE_ARN") {
        none if none.is_empty() => attribute("SCHEDULE_ARN"),
        rule => rule,
    };
    DeadLetter {
        source,
        code: attribute("ERROR_CODE"),
        message: attribute("ERROR_MESSAGE"),
        body: message["Body"].as_str().unwrap_or_default().to_owned(),
    }
}
