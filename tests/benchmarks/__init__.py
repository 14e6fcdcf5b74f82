"""Benchmarks: what a direction, a step and their pieces cost, beside what others' cost in the same rounds.

``pytest tests/benchmarks --benchmark-enable --benchmark-only`` measures (``tox -e bench`` adds the report);
without ``--benchmark-enable`` each benchmark runs once on a tiny problem. ``docs/speed.md`` says what is measured.
"""
