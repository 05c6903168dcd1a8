"""Questions that frontends and the other services ask booking, read only: `questions` (what is free, why not), `desk` (with
service token: bookings, the day, lists for staff, totals). Errors are problem details."""

from fastapi import APIRouter
from pydantic import SecretStr

from hubkit.db import Pool
from services.booking.handlers.house import House
from services.booking.http.desk import add_desk
from services.booking.http.questions import add_questions


def routes(house: House, pool: Pool, token: SecretStr) -> APIRouter:
    """The routes of booking; `token` is what frontends and services of this hub show."""
    router = APIRouter(prefix="/v1")
    add_questions(router, house, pool)
    add_desk(router, pool, token)
    return router
