"""judges: language models that score answers, over HTTP, and programs that check them.

`prompts` makes the question, `asking` asks it, `reading` reads the reply; `endpoint`, `calls`, `pace`, `completion` and
`errors` are parts of asking. Nothing here knows the ledger: what was asked before is left out by whoever asks.
"""
