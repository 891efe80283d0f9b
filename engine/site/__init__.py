"""engine: the atlas as a static site: one page for all claims, one a claim, one a model; no network, no clock.

`material` reads, `figures`, `maps` and `plots` draw, `provenance` names, `pages` writes. Templates escape every text.
"""
