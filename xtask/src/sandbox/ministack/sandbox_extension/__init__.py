"""What MiniStack lacks for running ECS tasks the way AWS does.

`python -m sandbox_extension` starts MiniStack in the foreground with every capability of this
package in place. Each capability is one module; its docstring names the gap, how AWS behaves and
which MiniStack function it replaces, so that each can be offered upstream on its own.
"""
