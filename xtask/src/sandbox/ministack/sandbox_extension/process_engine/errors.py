"""What goes wrong, as docker-py's own errors, so that callers need not know which engine it was."""

import docker.errors


class EngineError(docker.errors.APIError):
    """The engine cannot do what was asked; `explanation` says what and why."""

    def __init__(self, explanation):
        super().__init__(explanation, explanation=explanation)

    def __str__(self):
        return self.explanation


class NotFound(docker.errors.NotFound):
    def __init__(self, explanation):
        super().__init__(explanation, explanation=explanation)

    @property
    def status_code(self):
        return 404
