"""engine/grade: room of mi-atlas."""
