################################################################################
# The application's tasks
#
# To add one:
#
#   1. Write its entrypoint in api/src/tasks/ and give it a name: lower case letters,
#      digits and hyphens, for example `my-new-task-name`.
#   2. Add an entry under that name below. `command` is what the image's binary is
#      given, the task's name first; `env` is what the container sees besides
#      ENVIRONMENT, SERVICE_DOCKER_TAG and AWS_REGION, which every task has.
#   3. `cargo xtask try my-new-task-name` builds, deploys to TEST and runs it.
#
# What an entry holds:
#
#   command         list of strings; required
#   env             list of { name, value } or { name, valueFrom }; blocks that several
#                   tasks share are in task_config.tf and may be put in as they are.
#                   valueFrom makes it a secret: the name of an SSM parameter below
#                   /<app>/<environment>/, or the ARN of one or of a Secrets Manager
#                   secret. It must exist before the task starts, and iam.tf lets the
#                   task read it, because it is named here.
#   cpu, memory     CPU units and MiB, one of Fargate's pairs; 1024 and 2048 when left out
#   task_role       the ARN of the role that the task's own code acts as (see iam.tf);
#                   left out, the task has no AWS credentials at all
#   execution_role  the ARN of another role to pull the image and read the secrets with
#   sidecars        list of { name, image, and optionally command, env, essential, cpu,
#                   memory } that run beside the task, in its network. When a sidecar
#                   ends, the task goes on, unless `essential = true`
#
# A key that is not in this list fails the plan, so a typo cannot become a default.
#
# To run it at a time of day see cloudwatch.tf; for each new object in a bucket see
# s3_subscriptions.tf; to let it reach a database see security_groups.tf.
################################################################################

locals {
  tasks = {
    # example: begin
    my-new-task-name = {
      command = ["my-new-task-name"]
      env     = []
    }

    # Its arguments are a bucket and a key; s3_subscriptions.tf appends them.
    import-claims = {
      command   = ["import-claims"]
      env       = [local.unattended_log_level]
      task_role = aws_iam_role.import_claims.arn
    }

    # Its schedule in cloudwatch.tf says which bucket to report on.
    nightly-report = {
      command   = ["nightly-report"]
      env       = [local.unattended_log_level]
      task_role = aws_iam_role.nightly_report.arn
    }

    # Says what a task finds where it runs. It is the one that shows how a secret arrives,
    # so that a team sees its wiring work before a task with real work depends on it.
    diagnose = {
      command = ["diagnose"]
      cpu     = 256
      memory  = 512
      env = [
        { name = "DIAGNOSE_SECRET", valueFrom = aws_ssm_parameter.diagnose_secret.name },
      ]
    }
    # example: end
  }
}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_336:A task may write to /tmp, and Fargate has no tmpfs to mount there.
  for_each = local.tasks

  family                   = "${local.prefix}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = try(each.value.cpu, local.default_cpu)
  memory                   = try(each.value.memory, local.default_memory)
  task_role_arn            = try(each.value.task_role, null)
  execution_role_arn       = try(each.value.execution_role, aws_iam_role.execution.arn)
  container_definitions    = jsonencode(local.containers[each.key])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = local.cpu_architectures[var.platform]
  }

  lifecycle {
    # The new revision is there before the old one goes: a schedule that fires in between
    # finds one.
    create_before_destroy = true

    precondition {
      condition     = length(local.task_mistakes[each.key]) == 0
      error_message = "tasks.tf, task \"${each.key}\": ${join("; ", local.task_mistakes[each.key])}."
    }
  }
}
