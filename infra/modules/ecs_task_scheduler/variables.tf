variable "name" {
  description = "The name of the schedule; that of its role ends in -schedule besides"
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
  description = "Whether the schedule fires; false keeps it, asleep"
  type        = bool
  default     = true
  nullable    = false
}

variable "schedule_expression" {
  description = "cron(minute hour day-of-month month day-of-week year), rate(value unit) or at(yyyy-mm-ddThh:mm:ss)"
  type        = string

  validation {
    condition     = can(regex("^(cron|rate|at)\\(.+\\)$", var.schedule_expression))
    error_message = "The schedule is cron(...), rate(...) or at(...)."
  }
}

variable "schedule_expression_timezone" {
  description = "The IANA time zone that the expression is read in, which takes care of daylight saving time; no default, because nobody means UTC by accident twice"
  type        = string
}

variable "flexible_window_minutes" {
  description = "How many minutes after its time the task may start; 0 means on time"
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.flexible_window_minutes >= 0 && var.flexible_window_minutes <= 1440
    error_message = "A flexible window is 0 to 1440 minutes."
  }
}

variable "overrides" {
  description = "What this schedule changes in the container's input: the whole command, and environment variables on top of the task's own"
  type = object({
    command     = optional(list(string))
    environment = optional(map(string), {})
  })
  default  = {}
  nullable = false
}
