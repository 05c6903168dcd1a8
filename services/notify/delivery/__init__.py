"""Delivery: claimed rows become mails (`making`), go over connections (`lines`), and what came of them is written (`writer`).

`relay` is the breaker, `pipeline` holds it all together. No SMTP inside a transaction, no transaction over SMTP: a row's lock
held for a relay would double as many mails in a crash as an expired lease does.
"""
