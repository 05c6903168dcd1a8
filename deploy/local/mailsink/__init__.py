"""A mail relay that delivers nothing: it keeps the last mails to be looked at, and fails on purpose where a script says so.

For the demo and for tests; `python -m deploy.local.mailsink --help` names its flags. `script` (what goes wrong), `mailbox`
(what was taken, and the log), `server` (SMTP), `pages` (what people and tests see).
"""
