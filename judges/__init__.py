"""judges: room of mi-atlas."""
