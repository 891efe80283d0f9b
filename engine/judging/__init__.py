"""engine/judging: answers that were written before are judged: by programs, or by models over HTTP.

`answers` says which answers a judgment reads, `bench` judges them, `panel` asks judges, `labels` asks people.
"""
