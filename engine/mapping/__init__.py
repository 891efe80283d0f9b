"""engine: `mi-atlas map`: what matters where in a model, claims drafted from it, and an adapter that follows it."""
