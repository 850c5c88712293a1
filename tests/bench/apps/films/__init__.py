"""Films and their reviews on PostgreSQL; each module has ``app``, with the same three routes."""
