"""`python -m services.notify` runs the service until SIGTERM."""

import sys

from hubkit.app import run_service
from services.notify.app import SERVICE, build
from services.notify.settings import NotifySettings

if __name__ == "__main__":
    sys.exit(run_service(SERVICE, NotifySettings(), build))
