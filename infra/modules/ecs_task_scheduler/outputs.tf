output "schedule_arn" {
  description = "The schedule's ARN"
  value       = aws_scheduler_schedule.this.arn
}

output "role_arn" {
  description = "The ARN of the role that starts the task"
  value       = aws_iam_role.this.arn
}
