"""What Alembic runs around the migrations: on the connection that warehouse.store hands it.

One transaction spans all of them, so that an upgrade happens whole or not at all on both databases.
"""

from __future__ import annotations

from alembic import context

from warehouse import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
