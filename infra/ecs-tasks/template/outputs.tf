output "task_definitions" {
  description = "Task to the ARN of its task definition, with the revision"
  value       = { for name, definition in aws_ecs_task_definition.this : name => definition.arn }
}

output "container_names" {
  description = "Task to the names of its containers, the task's own first"
  value       = { for name, specs in local.container_specs : name => specs[*].name }
}

output "log_group" {
  description = "The log group of all tasks; a stream is <task>/<container>/<task id>"
  value       = aws_cloudwatch_log_group.tasks.name
}

output "security_groups" {
  description = "The security groups that tasks run with"
  value       = [aws_security_group.tasks.id]
}

output "platform_version" {
  description = "The Fargate platform version that tasks run on"
  value       = var.platform_version
}

output "task_docker_tags" {
  description = "Tasks that run another image than all others: task to the tag of its own"
  value       = var.task_docker_tags

  # An unknown name would be ignored, and nobody would see that nothing was tried.
  precondition {
    condition     = length(setsubtract(keys(var.task_docker_tags), keys(local.tasks))) == 0
    error_message = "task_docker_tags names what is no task in tasks.tf: ${join(", ", setsubtract(keys(var.task_docker_tags), keys(local.tasks)))}."
  }
}
