################################################################################
# Logs
################################################################################

resource "aws_cloudwatch_log_group" "tasks" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key; what a task prints is no secret.
  #checkov:skip=CKV_AWS_338:A task's log is read in the days after its run; what must be kept for years belongs in a bucket.
  name              = "service/${local.prefix}/ecs-tasks"
  retention_in_days = var.log_retention_days
}

# ECS forgets a stopped task after an hour, and with it why it stopped. Its state changes are
# kept here. infra/foundation has the policy that lets EventBridge write to this group.
resource "aws_cloudwatch_log_group" "task_events" {
  #checkov:skip=CKV_AWS_158:As above.
  #checkov:skip=CKV_AWS_338:As above.
  name              = "service/${local.prefix}/ecs-tasks/events"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_event_rule" "task_events" {
  name        = "${local.prefix}-task-events"
  description = "ECS task state changes in ${local.prefix}, kept in a log group"

  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Task State Change"]
    detail        = { clusterArn = [var.cluster_arn] }
  })
}

resource "aws_cloudwatch_event_target" "task_events" {
  rule = aws_cloudwatch_event_rule.task_events.name
  arn  = aws_cloudwatch_log_group.task_events.arn
}

################################################################################
# Schedules
#
# To run a task at a time of day, copy one of these, or have `cargo xtask new-task` write
# one. The expression is read in the time zone beside it, the year round. Between 2:00 and
# 3:00 some nights of the year have that hour twice or not at all: better take another.
#
# `cargo xtask trigger schedule TASK` fires it now: this shows that the schedule's role may
# start the task, which a run by hand does not.
################################################################################

# example: begin
module "nightly_report" {
  source = "../../modules/ecs_task_scheduler"

  name   = "${local.prefix}-nightly-report"
  task   = local.startable["nightly-report"]
  target = local.target

  schedule_expression          = "cron(30 3 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  # Nobody reads the report before the morning, so it need not start with everybody
  # else's nightly jobs on the dot.
  flexible_window_minutes = 15

  overrides = {
    command     = concat(local.tasks["nightly-report"].command, ["--bucket", local.claims_bucket_name])
    environment = { TASK_AUTHOR = "schedule/nightly-report" }
  }

  dead_letter_arn      = local.dead_letter_arn
  permissions_boundary = local.permissions_boundary
  role_path            = local.iam_path
}

# A daily proof that tasks still start here, to be switched on while that is in doubt.
module "diagnose_on_workdays" {
  source = "../../modules/ecs_task_scheduler"

  name       = "${local.prefix}-diagnose-on-workdays"
  is_enabled = false
  task       = local.startable["diagnose"]
  target     = local.target

  schedule_expression          = "cron(45 7 ? * MON-FRI *)"
  schedule_expression_timezone = "America/New_York"

  # A start that is an hour late proves nothing any more.
  retry     = { maximum_age_in_seconds = 900, maximum_attempts = 2 }
  overrides = { environment = { TASK_AUTHOR = "schedule/diagnose-on-workdays" } }

  dead_letter_arn      = local.dead_letter_arn
  permissions_boundary = local.permissions_boundary
  role_path            = local.iam_path
}

# example: end

# Made by infra/foundation: what could not be started, by a schedule or by an event.
locals {
  dead_letter_arn = "arn:aws:sqs:${var.region}:${var.aws_account_id}:${local.prefix}-ecs-tasks-dead-letters"
}
