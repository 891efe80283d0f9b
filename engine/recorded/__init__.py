"""engine: recorded evidence: numbers that existing result files hold, read where maps say, and graded as recorded.

`files` reads what is below a folder, `rows` takes the numbers out, `guards` says what is wrong with them, `cells` sorts
them by unit, `evidence` picks those that speak to a claim, `means` says how it is asked of them, `verdicts` grades by
the same rule as measured evidence, never together with it, within the `limits` of a record, and `worded` holds a claim
against every recorded case. `record` is what the `commands` do. Nothing imports torch.
"""
