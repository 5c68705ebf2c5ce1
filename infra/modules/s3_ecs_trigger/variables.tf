variable "name" {
  description = "The name of the rule; that of its role ends in -trigger besides"
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_.-]{1,55}$", var.name))
    error_message = "The name is at most 55 letters, digits, hyphens, dots and underscores."
  }
}

variable "task" {
  description = "What to start: the ARN of the task definition's family without a revision (so that a new revision changes nothing here), the container whose input is overridden, and the roles that the task bears"
  type = object({
    family_arn = string
    container  = string
    role_arns  = list(string)
  })

  validation {
    condition     = can(regex("task-definition/[^:]+$", var.task.family_arn))
    error_message = "task.family_arn has no revision: the latest active one is what starts."
  }
}

variable "target" {
  description = "Where to start it"
  type = object({
    cluster_arn      = string
    platform_version = string
    subnets          = list(string)
    security_groups  = list(string)
    assign_public_ip = bool
  })
}

variable "retry" {
  description = "How long, and how often at most, a start that failed is tried again"
  type = object({
    maximum_age_in_seconds = optional(number, 3600)
    maximum_attempts       = optional(number, 10)
  })
  default  = {}
  nullable = false
}

variable "dead_letter_arn" {
  description = "The SQS queue that gets what could not be started"
  type        = string
}

variable "permissions_boundary" {
  description = "The ARN of the permissions boundary of the role that starts the task"
  type        = string
}

variable "role_path" {
  description = "The IAM path of the role that starts the task"
  type        = string
  default     = "/"
  nullable    = false
}

variable "is_enabled" {
  description = "Whether the rule fires; false keeps it, asleep"
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket" {
  description = "The name of the bucket; it must send its events to EventBridge (aws_s3_bucket_notification with eventbridge = true)"
  type        = string
}

variable "prefix" {
  description = "What a key must begin with; empty for any"
  type        = string
  default     = ""
  nullable    = false
}

variable "suffix" {
  description = "What a key must end with; empty for any"
  type        = string
  default     = ""
  nullable    = false
}

variable "command" {
  description = "The command that the object's bucket and key are appended to, as two arguments"
  type        = list(string)
}
