"""StopTask answers at once; the task stops in its own time and tells what really happened.

Gap: MiniStack's StopTask blocks until the containers are gone, gives them five seconds whatever
their stopTimeout says, and reports exit code 0 for all of them, also for those that never ran.

AWS: the call sets desiredStatus to STOPPED and returns with the task as it is; the containers get
SIGTERM, and SIGKILL after their stopTimeout. stopCode is UserInitiated, stoppedReason what the
caller gave ("Task stopped by user" if nothing). A container that never ran has no exit code.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html

Here: StopTask writes the reason down and asks the containers to stop; whoever waits for the task
(see task_end.py) sees them exit and ends it.

Instead of: `ecs._stop_task`.
"""

from ministack.core.concurrency import spawn_background
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from . import task_end
from .hooks import replaces, uses

uses(
    "ministack.services.ecs",
    "_resolve_cluster_name",
    "_clusters",
    "_resolve_task",
    "_sanitize",
    "_get_docker",
)


@replaces("ministack.services.ecs", "_stop_task")
def stop_task(data):
    cluster_name = ecs._resolve_cluster_name(data.get("cluster", "default"))
    if cluster_name is None or cluster_name not in ecs._clusters:
        return error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
    task = ecs._resolve_task(data.get("task", ""), cluster_name)
    if not task:
        return error_response_json(
            "InvalidParameterException", "The referenced task was not found.", 400
        )
    reason = data.get("reason") or "Task stopped by user"
    if task_end.begin_to_stop(task, reason, "UserInitiated") and task["lastStatus"] == "RUNNING":
        spawn_background(
            task_end.stop_containers,
            task,
            ecs._get_docker(),
            thread_name=f"sandbox-stop-{task['taskArn'].rsplit('/', 1)[-1][:8]}",
        )
    return json_response({"task": ecs._sanitize(task)})
