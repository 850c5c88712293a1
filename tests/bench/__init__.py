"""Benchmarks beside Flask, Starlette and upstream Quart, in process and on servers.

Run them with ``python -m tests.bench``; ``docs/performance.md`` explains what is measured.
"""
