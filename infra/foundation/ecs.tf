################################################################################
# Where an environment's tasks run, and what must be there before they do
################################################################################

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights bills per metric; tasks that live for minutes are understood from their logs and stop reasons.
  for_each = local.environments

  name = each.value.prefix
}

# What could not be started after all retries, by a schedule or by an event.
resource "aws_sqs_queue" "dead_letters" {
  for_each = var.disposable ? {} : local.environments

  name                      = "${each.value.prefix}-ecs-tasks-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.dead_letters[each.key].json
}

# EventBridge rules write to the queue as a service; EventBridge Scheduler does so with the
# schedule's own role and needs nothing here.
data "aws_iam_policy_document" "dead_letters" {
  for_each = local.environments

  statement {
    sid       = "EventBridgeRules"
    actions   = ["sqs:SendMessage"]
    resources = [each.value.dead_letters_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [each.value.rules_arn]
    }
  }

  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value.dead_letters_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Lets the rule in each environment write ECS's task state changes to a log group. A region
# takes ten such policies in all, so there is one for all environments, and whoever deploys
# an environment needs no right to write policies of this kind.
resource "aws_cloudwatch_log_resource_policy" "task_events" {
  policy_name     = "${var.app}-ecs-task-events"
  policy_document = data.aws_iam_policy_document.task_events.json
}

data "aws_iam_policy_document" "task_events" {
  statement {
    actions   = ["logs:CreateLogStream"]
    resources = local.task_event_streams

    principals {
      type        = "Service"
      identifiers = local.log_writers
    }
  }

  statement {
    actions   = ["logs:PutLogEvents"]
    resources = local.task_event_streams

    principals {
      type        = "Service"
      identifiers = local.log_writers
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [for environment in local.environments : environment.rules_arn]
    }
  }
}

locals {
  log_writers = ["events.amazonaws.com", "delivery.logs.amazonaws.com"]
  task_event_streams = [
    for environment in local.environments :
    "arn:aws:logs:${local.region_arn}:log-group:service/${environment.prefix}/ecs-tasks/events:*"
  ]
}
