locals {
  override = merge(
    { name = var.task.container },
    var.overrides.command == null ? {} : { command = var.overrides.command },
    length(var.overrides.environment) == 0 ? {} : {
      environment = [for name, value in var.overrides.environment : { name = name, value = value }]
    },
  )
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:The schedule holds a command line and no secret; AWS's own key encrypts it.
  name  = var.name
  state = var.is_enabled ? "ENABLED" : "DISABLED"

  schedule_expression          = var.schedule_expression
  schedule_expression_timezone = var.schedule_expression_timezone

  flexible_time_window {
    mode                      = var.flexible_window_minutes == 0 ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = var.flexible_window_minutes == 0 ? null : var.flexible_window_minutes
  }

  target {
    arn      = var.target.cluster_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ containerOverrides = [local.override] })

    ecs_parameters {
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

    retry_policy {
      maximum_event_age_in_seconds = var.retry.maximum_age_in_seconds
      maximum_retry_attempts       = var.retry.maximum_attempts
    }

    dead_letter_config {
      arn = var.dead_letter_arn
    }
  }

  # A schedule that fires before its role may start anything lands in the dead letters.
  depends_on = [aws_iam_role_policy.this]
}

################################################################################
# The role that starts this one task, and nothing else
################################################################################

resource "aws_iam_role" "this" {
  name                 = "${var.name}-schedule"
  path                 = var.role_path
  description          = "Starts ${var.task.container} on schedule"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    # Keeps other accounts' schedules from borrowing the role.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [split(":", var.target.cluster_arn)[4]]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "start-task"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.start_task.json
}

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

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letter_arn]
  }
}
