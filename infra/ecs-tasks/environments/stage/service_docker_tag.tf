# Which image the tasks run. Left out, it is the deployed one: a plan about something else
# does not touch it, and nobody has to look it up. A tag for all tasks is for all of them,
# unless single tasks are named beside it.

variable "service_docker_tag" {
  description = "The tag of the image to deploy: a git SHA, or <sha>-dirty-<hash>; null keeps the deployed one"
  type        = string
  default     = null

  validation {
    condition     = var.service_docker_tag == null || can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.service_docker_tag))
    error_message = "A tag is at most 128 letters, digits, dots, underscores and hyphens, and begins with neither dot nor hyphen."
  }

  validation {
    condition     = var.service_docker_tag != "latest"
    error_message = "\"latest\" says nothing about what runs; name a git SHA."
  }
}

variable "task_docker_tags" {
  description = "Tasks with another image than all others, task to tag; null keeps the deployed ones, or none beside a service_docker_tag"
  type        = map(string)
  default     = null

  validation {
    condition = alltrue([
      for tag in try(values(var.task_docker_tags), []) :
      can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", tag)) && tag != "latest"
    ])
    error_message = "A task's tag is a tag like service_docker_tag, and never \"latest\"."
  }
}

# These three are the backend's in main.tf. The bucket follows the account, as it does in
# sandbox.tfbackend.
locals {
  state = {
    bucket = "${local.app}-terraform-state-${var.aws_account_id}"
    key    = "ecs-tasks/${local.environment}.tfstate"
    region = local.region
  }
}

# Before the first apply there is no state to read, which terraform_remote_state would
# report in words that say nothing about tags. So it is looked for first.
data "aws_s3_objects" "state" {
  count = var.service_docker_tag == null ? 1 : 0

  bucket = local.state.bucket
  prefix = local.state.key
}

data "terraform_remote_state" "deployed" {
  count = var.service_docker_tag == null ? 1 : 0

  backend = "s3"
  config  = local.state

  lifecycle {
    precondition {
      condition     = contains(data.aws_s3_objects.state[0].keys, local.state.key)
      error_message = "Nothing is deployed to ${local.environment} yet, so there is no tag to keep. Name one: -var service_docker_tag=<git SHA of a pushed image>"
    }

    postcondition {
      condition     = can(self.outputs.service_docker_tag)
      error_message = "The last apply to ${local.environment} left no tag to keep. Name one: -var service_docker_tag=<git SHA of a pushed image>"
    }
  }
}

locals {
  service_docker_tag = (
    var.service_docker_tag != null
    ? var.service_docker_tag
    : data.terraform_remote_state.deployed[0].outputs.service_docker_tag
  )

  deployed_task_tags = (
    var.service_docker_tag != null
    ? {}
    : try(data.terraform_remote_state.deployed[0].outputs.task_docker_tags, {})
  )

  task_docker_tags = (
    var.task_docker_tags != null ? var.task_docker_tags : tomap(local.deployed_task_tags)
  )
}
