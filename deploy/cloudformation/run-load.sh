#!/bin/sh
# Runs Apache Bench once in the network of the scenario: run-load.sh [-s STACK] [-n REQUESTS] [-u URL]
# Without -u the address of the app's task is looked up. What ab says is in the log group /ecs/NAME/load.
set -eu

stack=scenario requests=100 url=

fail() {
  echo "run-load.sh: $1" >&2
  exit 1
}

while getopts s:n:u: option; do
  case $option in
    s) stack=$OPTARG ;;
    n) requests=$OPTARG ;;
    u) url=$OPTARG ;;
    *) fail "usage: run-load.sh [-s STACK] [-n REQUESTS] [-u URL]" ;;
  esac
done
case $requests in '' | *[!0-9]*) fail "-n \"$requests\" is no number of requests" ;; esac

output() {
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")
  [ -n "$value" ] || fail "stack $stack has no output $1; is it one of scenario.yaml?"
  echo "$value"
}

cluster=$(output Cluster)
if [ -z "$url" ]; then
  service=$(output Service)
  task=$(aws ecs list-tasks --cluster "$cluster" --service-name "$service" --desired-status RUNNING \
    --query 'taskArns[0]' --output text)
  [ "$task" != None ] || fail "service $service has no running task; its events say why"
  address=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text \
    --query 'tasks[0].containers[0].networkInterfaces[0].privateIpv4Address')
  url=http://$address:8080/
fi

definition=$(output LoadTaskDefinition)
subnets=$(output SubnetIds)
group=$(output LoadSecurityGroup)
answer=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE \
  --network-configuration "awsvpcConfiguration={subnets=[$subnets],securityGroups=[$group],assignPublicIp=DISABLED}" \
  --overrides "{\"containerOverrides\": [{\"name\": \"load\", \"command\": [\"ab\", \"-n\", \"$requests\", \"$url\"]}]}" \
  --query '[tasks[0].taskArn, failures[0].reason, failures[0].detail]' --output text)
# RunTask is a success, too, when it has started nothing.
case $answer in
  arn:*) echo "$answer" | cut -f 1 ;;
  *) fail "no task was started: $(echo "$answer" | cut -f 2-)" ;;
esac
