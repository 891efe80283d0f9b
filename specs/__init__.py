"""specs: room of mi-atlas."""
