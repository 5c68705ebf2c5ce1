################################################################################
# What tasks share, and how an entry of tasks.tf becomes containers
################################################################################

locals {
  prefix   = "${var.app}-${var.environment}"
  iam_path = "/${var.app}/${var.environment}/"

  default_cpu    = 1024
  default_memory = 2048

  cpu_architectures = {
    "linux/amd64" = "X86_64"
    "linux/arm64" = "ARM64"
  }

  # The ARN of each family without a revision. Schedules, triggers and policies use it
  # rather than the resource, whose ARN is unknown while a new tag is planned and would
  # drag all of them into the plan.
  family_arns = {
    for name in keys(local.tasks) :
    name => "arn:aws:ecs:${var.region}:${var.aws_account_id}:task-definition/${local.prefix}-${name}"
  }

  # What the modules of cloudwatch.tf and s3_subscriptions.tf need to start a task.
  startable = {
    for name, task in local.tasks : name => {
      family_arn = local.family_arns[name]
      container  = name
      role_arns = compact([
        try(task.execution_role, aws_iam_role.execution.arn),
        try(task.task_role, null),
      ])
    }
  }

  target = {
    cluster_arn      = var.cluster_arn
    platform_version = var.platform_version
    subnets          = var.subnets
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = var.assign_public_ip
  }
}

################################################################################
# Environment variables that several tasks share: name the block in `env`
################################################################################

locals {
  # Of the tasks that nobody starts by hand: "debug" here, and the next night tells more.
  unattended_log_level = { name = "LOG_LEVEL", value = "info" }
}

# example: begin
# An example to see a secret arrive with. A real one is made by hand, once, as a
# SecureString (`aws ssm put-parameter --type SecureString --name /api/test/...`) and only
# named in tasks.tf: what Terraform creates is readable in its state. This one is a plain
# String whose value is no secret, and it may be changed by hand: the plan ignores it.
resource "aws_ssm_parameter" "diagnose_secret" {
  #checkov:skip=CKV2_AWS_34:Its value is a public example, see above.
  name        = "/${var.app}/${var.environment}/diagnose-secret"
  description = "Example of a secret; the task diagnose says whether it arrived"
  type        = "String"
  value       = "an-example-and-no-secret"

  lifecycle {
    ignore_changes = [value]
  }
}
# example: end

################################################################################
# Containers
################################################################################

locals {
  # The task's own container is named like the task and comes first; then the sidecars.
  container_specs = {
    for name, task in local.tasks : name => concat(
      [{
        name      = name
        image     = "${var.repository_url}:${local.docker_tags[name]}"
        command   = try(task.command, null)
        env       = concat(local.every_task[name], flatten([try(task.env, [])]))
        essential = true
        cpu       = null
        memory    = null
      }],
      [for sidecar in try(task.sidecars, []) : {
        name      = try(sidecar.name, null)
        image     = try(sidecar.image, null)
        command   = try(sidecar.command, null)
        env       = concat(local.every_task[name], flatten([try(sidecar.env, [])]))
        essential = try(sidecar.essential, false)
        cpu       = try(sidecar.cpu, null)
        memory    = try(sidecar.memory, null)
      }],
    )
  }

  # A task has the tag of all tasks, unless it has one of its own.
  docker_tags = {
    for name in keys(local.tasks) : name => lookup(var.task_docker_tags, name, var.service_docker_tag)
  }

  every_task = {
    for name, tag in local.docker_tags : name => [
      { name = "ENVIRONMENT", value = var.environment },
      { name = "SERVICE_DOCKER_TAG", value = tag },
      { name = "AWS_REGION", value = var.region },
    ]
  }

  containers = {
    for name, specs in local.container_specs : name => [
      for spec in specs : merge(
        {
          name      = spec.name
          image     = spec.image
          essential = spec.essential

          environment = [
            for entry in spec.env : { name = try(entry.name, null), value = try(tostring(entry.value), null) }
            if try(entry.value, null) != null
          ]
          secrets = [
            for entry in spec.env : { name = try(entry.name, null), valueFrom = try(tostring(entry.valueFrom), null) }
            if try(entry.valueFrom, null) != null
          ]

          linuxParameters = { capabilities = { drop = ["ALL"] } }

          logConfiguration = {
            logDriver = "awslogs"
            options = {
              "awslogs-group"         = aws_cloudwatch_log_group.tasks.name
              "awslogs-region"        = var.region
              "awslogs-stream-prefix" = name
              # AWS's default, non-blocking, drops lines when they come faster than they
              # are sent. A task that waits for its own log is the lesser evil.
              "mode" = "blocking"
            }
          }
        },
        { for key in ["command", "cpu", "memory"] : key => spec[key] if spec[key] != null },
      )
    ]
  }
}
