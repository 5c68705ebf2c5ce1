output "rule_arn" {
  description = "The rule's ARN"
  value       = aws_cloudwatch_event_rule.this.arn
}

output "role_arn" {
  description = "The ARN of the role that starts the task"
  value       = aws_iam_role.this.arn
}
