"""evaluators/finetuning: training a model by a recipe, and keeping what came of it. Imports no torch."""

import logging

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
