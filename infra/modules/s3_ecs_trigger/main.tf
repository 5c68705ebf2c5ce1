locals {
  # In an event pattern a backslash takes the meaning from a star, and from itself.
  prefix = replace(replace(var.prefix, "\\", "\\\\"), "*", "\\*")
  suffix = replace(replace(var.suffix, "\\", "\\\\"), "*", "\\*")
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = var.name
  description = "Starts ${var.task.container} for s3://${var.bucket}/${var.prefix}*${var.suffix}"
  state       = var.is_enabled ? "ENABLED" : "DISABLED"

  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      # One wildcard, because matchers in a list are alternatives: prefix and suffix side by
      # side would start the task for keys that have only one of the two.
      object = { key = [{ wildcard = "${local.prefix}*${local.suffix}" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  rule     = aws_cloudwatch_event_rule.this.name
  arn      = var.target.cluster_arn
  role_arn = aws_iam_role.this.arn

  ecs_target {
    task_definition_arn = var.task.family_arn
    launch_type         = "FARGATE"
    platform_version    = var.target.platform_version
    task_count          = 1

    network_configuration {
      subnets          = var.target.subnets
      security_groups  = var.target.security_groups
      assign_public_ip = var.target.assign_public_ip
    }
  }

  # A placeholder outside of quotes becomes a JSON string, quoted and escaped by EventBridge,
  # so a key with spaces or quotes stays one argument. The key in the event is the object's
  # real one, not URL-encoded as in the older S3 notifications.
  input_transformer {
    input_paths = {
      bucket = "$.detail.bucket.name"
      key    = "$.detail.object.key"
    }

    input_template = <<-JSON
      {
        "containerOverrides": [
          {
            "name": ${jsonencode(var.task.container)},
            "command": [${join(", ", [for part in var.command : jsonencode(part)])}, <bucket>, <key>]
          }
        ]
      }
    JSON
  }

  retry_policy {
    maximum_event_age_in_seconds = var.retry.maximum_age_in_seconds
    maximum_retry_attempts       = var.retry.maximum_attempts
  }

  dead_letter_config {
    arn = var.dead_letter_arn
  }

  # An object that arrives before the role may start anything lands in the dead letters.
  depends_on = [aws_iam_role_policy.this]
}

################################################################################
# The role that starts this one task, and nothing else
################################################################################

resource "aws_iam_role" "this" {
  name                 = "${var.name}-trigger"
  path                 = var.role_path
  description          = "Starts ${var.task.container} for new objects in ${var.bucket}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    # Keeps every other rule, in this account and in others, from borrowing the role.
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.this.arn]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "start-task"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.start_task.json
}

# The rule sends dead letters as the service EventBridge, which the queue's own policy allows.
data "aws_iam_policy_document" "start_task" {
  statement {
    sid       = "StartTask"
    actions   = ["ecs:RunTask"]
    resources = [var.task.family_arn, "${var.task.family_arn}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.target.cluster_arn]
    }
  }

  statement {
    sid       = "PassItsRoles"
    actions   = ["iam:PassRole"]
    resources = var.task.role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}
