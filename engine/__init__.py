"""engine: what `mi-atlas audit` does, in the order it does it: resolve, plan, execute, grade, report."""
