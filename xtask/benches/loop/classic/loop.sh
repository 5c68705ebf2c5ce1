#!/usr/bin/env bash
# The loop by hand, as a team writes it down: docker build and push with warm caches, apply,
# run-task, wait, exit code, logs. Each line of $STEPS says when a step had ended (seconds since 1970).
set -euo pipefail
: "${TAG:?}" "${REPOSITORY:?}" "${ROOT:?}" "${BUILDER:?}" "${STEPS:?}" "${TASK:?}" "${TRIPLE:?}"

step() { printf '%s %s\n' "$1" "$(date +%s.%N)" >>"$STEPS"; }

cd "$ROOT"
step start

docker build --quiet --platform linux/amd64 --tag "$REPOSITORY:$TAG" \
  --build-arg "BUILDER=$BUILDER" --build-arg "TRIPLE=$TRIPLE" --file "$(dirname "$0")/Dockerfile" .
step build

aws ecr get-login-password | docker login --username AWS --password-stdin "$REPOSITORY" 2>/dev/null
# The tag is immutable: what the same commit has pushed before is refused, and is there.
docker push --quiet "$REPOSITORY:$TAG" 2>"$STEPS.push" || grep -q immutable "$STEPS.push"
step push

cd infra/ecs-tasks/environments/classic
terraform apply -auto-approve -input=false -no-color \
  -var aws_account_id=000000000000 -var platform=linux/amd64 -var "service_docker_tag=$TAG"
outputs="$(terraform output -json)"
step apply

# `field cluster` and `field task_definitions my-task`: from the outputs, without jq.
field() {
  python3 -c 'import json, sys
value = json.loads(sys.argv[1])[sys.argv[2]]["value"]
value = value[sys.argv[3]] if len(sys.argv) > 3 else value
print(",".join(value) if isinstance(value, list) else value)' "$outputs" "$@"
}
cluster="$(field cluster)"
network="subnets=[$(field subnets)],securityGroups=[$(field security_groups)],assignPublicIp=ENABLED"
arn="$(aws ecs run-task --cluster "$cluster" --task-definition "$(field task_definitions "$TASK")" \
  --launch-type FARGATE --network-configuration "awsvpcConfiguration={$network}" \
  --query 'tasks[0].taskArn' --output text)"
step launch

aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$arn"
test "$(aws ecs describe-tasks --cluster "$cluster" --tasks "$arn" \
  --query 'tasks[0].containers[0].exitCode' --output text)" = 0
step wait

aws logs get-log-events --log-group-name "$(field log_group)" --start-from-head \
  --log-stream-name "$TASK/$(field container_names "$TASK" | cut -d, -f1)/${arn##*/}" --query 'events[].message' --output text
step logs
