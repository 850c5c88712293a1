"""In-process benchmark: CPU time per request beside Flask, Starlette and upstream Quart.

Run it with ``python -m tests.bench``; ``docs/performance.md`` explains what it measures.
"""
