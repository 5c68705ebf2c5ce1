################################################################################
# Where this is
################################################################################

variable "app" {
  description = "The application's name"
  type        = string
}

variable "environment" {
  description = "The environment's name, for example test"
  type        = string
}

variable "aws_account_id" {
  description = "The account that the environment is in; ARNs are spelled with it"
  type        = string
}

variable "region" {
  description = "The region that the environment is in"
  type        = string
}

################################################################################
# What runs
################################################################################

variable "repository_url" {
  description = "The ECR repository of the application's image, without a tag"
  type        = string
}

variable "repository_arn" {
  description = "The ARN of that repository"
  type        = string
}

variable "service_docker_tag" {
  description = "The tag of the image that all tasks run: a git SHA, or <sha>-dirty-<hash>"
  type        = string
  nullable    = false
}

variable "task_docker_tags" {
  description = "Tasks that run another image than all others: task to the tag of its own"
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "platform" {
  description = "The platform that the image is built for and that tasks run on: linux/amd64 or linux/arm64"
  type        = string
  nullable    = false

  validation {
    condition     = contains(["linux/amd64", "linux/arm64"], var.platform)
    error_message = "platform is linux/amd64 or linux/arm64."
  }
}

################################################################################
# Where it runs
################################################################################

variable "cluster_arn" {
  description = "The ECS cluster"
  type        = string
}

variable "platform_version" {
  description = "The Fargate platform version; a fixed one, so that a run today is like yesterday's"
  type        = string
  default     = "1.4.0"
  nullable    = false
}

variable "vpc_id" {
  description = "The VPC of the subnets"
  type        = string
}

variable "subnets" {
  description = "The subnets that tasks run in"
  type        = list(string)

  validation {
    condition     = length(var.subnets) > 0
    error_message = "There is no subnet to run tasks in."
  }
}

variable "assign_public_ip" {
  description = "Whether a task gets a public address: true in public subnets, which have no other way to ECR; false behind a NAT gateway or VPC endpoints"
  type        = bool
}

################################################################################
# How long things are kept
################################################################################

variable "log_retention_days" {
  description = "How many days logs and task events are kept"
  type        = number
  default     = 90
  nullable    = false
}

variable "force_destroy_buckets" {
  description = "Whether destroying the environment also destroys what is in its buckets"
  type        = bool
  default     = false
  nullable    = false
}
