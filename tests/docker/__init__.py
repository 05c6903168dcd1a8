"""The image and the hub of compose.yaml, tried out: run by `make docker`, needs a Docker engine."""
