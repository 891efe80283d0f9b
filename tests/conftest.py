"""tests: what all of them share."""

from __future__ import annotations

import torch

# Micro models: more threads would only wait for each other.
torch.set_num_threads(1)
