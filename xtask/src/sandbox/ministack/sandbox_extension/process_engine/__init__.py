"""A container engine without Docker: a task's containers are processes of this machine.

`client.Engine` has the verbs of docker-py that MiniStack and this package use, and no others:

- `registry.py` asks the sandbox's own registry and checks every byte against its digest;
- `layers.py` unpacks layers, and refuses what would leave the root;
- `images.py` keeps unpacked images by digest;
- `isolation.py` finds the best that this machine allows;
- `launcher.py` runs beside us, one process a container, and makes the root, the namespaces and the
  user before the task's program takes over;
- `container.py`, `log.py` and `memory.py` are a container's life, output and limit.
"""
