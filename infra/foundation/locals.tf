# Names and ARNs are spelled out: the environments' roots spell the same ones, so that
# neither has to read the other's state.
locals {
  state_bucket = "${var.app}-terraform-state-${var.aws_account_id}"
  region_arn   = "${var.region}:${var.aws_account_id}"

  environments = {
    for environment in var.environments : environment => {
      # Begins the name of everything that an environment's root creates.
      prefix    = "${var.app}-${environment}"
      role_path = "/${var.app}/${environment}/"
      roles_arn = "arn:aws:iam::${var.aws_account_id}:role/${var.app}/${environment}/*"
      # Kept in step with the backend of infra/ecs-tasks/environments/<environment>.
      state_key = "ecs-tasks/${environment}.tfstate"

      cluster_arn           = "arn:aws:ecs:${local.region_arn}:cluster/${var.app}-${environment}"
      task_arn              = "arn:aws:ecs:${local.region_arn}:task/${var.app}-${environment}/*"
      families_arn          = "arn:aws:ecs:${local.region_arn}:task-definition/${var.app}-${environment}-*"
      isolated_families_arn = "arn:aws:ecs:${local.region_arn}:task-definition/${var.app}-${environment}-isolated-*"
      log_groups_arn        = "arn:aws:logs:${local.region_arn}:log-group:service/${var.app}-${environment}/*"
      parameters_arn        = "arn:aws:ssm:${local.region_arn}:parameter/${var.app}/${environment}/*"
      secrets_arn           = "arn:aws:secretsmanager:${local.region_arn}:secret:${var.app}/${environment}/*"
      buckets_arn           = "arn:aws:s3:::${var.app}-${environment}-*"
      rules_arn             = "arn:aws:events:${local.region_arn}:rule/${var.app}-${environment}-*"
      # The whole name of a twin must fit in a task's startedBy, so that a hash stands for the names.
      twins_arn        = "arn:aws:scheduler:${local.region_arn}:schedule/default/twin-${substr(sha256("${var.app}-${environment}"), 0, 6)}-*"
      schedules_arn    = "arn:aws:scheduler:${local.region_arn}:schedule/default/${var.app}-${environment}-*"
      dead_letters_arn = "arn:aws:sqs:${local.region_arn}:${var.app}-${environment}-ecs-tasks-dead-letters"
      boundary_arn     = "arn:aws:iam::${var.aws_account_id}:policy/${var.app}-${environment}-boundary"
    }
  }
}
