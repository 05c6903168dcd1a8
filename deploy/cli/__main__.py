"""`python -m deploy.cli`: the same as `hubnetz`, where that is not installed."""

from deploy.cli import main

main()
