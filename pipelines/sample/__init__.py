"""The seeded sample organization: Meridian Engineering, which exists nowhere else.

Start with `plan.Plan`; `organization` and its neighbors are readable data, `workdays` to `segments` make the
evidence, `stories` the special cases, `load` writes everything into a warehouse.
"""
